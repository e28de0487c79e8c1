//! Where named relays keep their state.

use crate::args::IdentityFlags;
use lorry::relay::{DirState, StateStore};
use lorry::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// The state of the relay of this name, if it has one: a folder of its own, which is made when first needed.
///
/// # Errors
/// Nobody says where: no `--state-dir`, no home.
pub(crate) fn of(flags: &IdentityFlags) -> Result<Option<Arc<dyn StateStore>>> {
    let Some(name) = &flags.name else { return Ok(None) };
    let base = match &flags.state_dir {
        Some(dir) => dir.clone(),
        None => default_dir(|name| std::env::var(name).ok()).ok_or_else(|| {
            Error::usage("no place for the state of a named relay: HOME is not set").hint("give --state-dir DIR")
        })?,
    };
    let instance = flags.instance.iter().map(|instance| format!("@{}", safe(instance)));
    let folder = std::iter::once(safe(name)).chain(instance).collect::<String>();
    Ok(Some(Arc::new(DirState::new(base.join(folder)))))
}

/// The XDG state folder, which holds what should outlive a restart but is no one's document.
fn default_dir(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state"))).map(|base| base.join("lorry"))
}

/// A name as a file name: no two names share one, and none leads out of the folder.
fn safe(name: &str) -> String {
    let mut text = String::new();
    for (i, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => text.push(byte.into()),
            b'.' if i > 0 => text.push('.'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_stay_within_the_folder_and_apart() {
        assert_eq!(safe("weather-1.b"), "weather-1.b");
        assert_eq!((safe(".."), safe("a/b"), safe("a%2Fb")), ("%2E.".into(), "a%2Fb".into(), "a%252Fb".into()));
        assert_eq!((safe("a@b"), safe("wä")), ("a%40b".into(), "w%C3%A4".into()));
    }

    #[test]
    fn the_folder_is_where_xdg_says() {
        let of = |pairs: &'static [(&str, &str)]| {
            default_dir(|name| pairs.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("HOME", "/h")]).unwrap(), PathBuf::from("/h/.local/state/lorry"));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]).unwrap(), PathBuf::from("/s/lorry"));
        assert_eq!(
            of(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]).unwrap(),
            PathBuf::from("/h/.local/state/lorry")
        );
        assert_eq!(of(&[]), None);
    }
}

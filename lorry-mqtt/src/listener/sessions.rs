//! Which devices have a session here.
//!
//! A device that only publishes leaves nothing at a server but the fact that it was there. It matters all the same: told that there
//! is no session, a device must forget what it has not seen acknowledged (MQTT-3.2.2-5), and that would be lost. So the fact is
//! kept, for a named relay across restarts.

use lorry_core::relay::StateStore;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sessions remembered at most; the ones that end first make room.
const LIMIT: usize = 10_000;
/// A session that never expires.
pub(super) const FOR_EVER: u32 = u32::MAX;

/// Client ids with the time their session ends, in seconds since 1970.
#[derive(Debug)]
pub(super) struct Sessions {
    known: HashMap<String, u64>,
    key: String,
    store: Arc<dyn StateStore>,
}

impl Sessions {
    /// Those that an earlier process left under this key.
    pub(super) fn load(store: Arc<dyn StateStore>, key: String) -> lorry_core::Result<Self> {
        let saved = store.load(&key)?.unwrap_or_default();
        let saved = String::from_utf8_lossy(&saved);
        let known = saved.lines().filter_map(|line| {
            let (until, id) = line.split_once(' ')?;
            Some((id.to_owned(), until.parse().ok()?))
        });
        Ok(Self { known: known.collect(), key, store })
    }

    /// A device logs in, with a session that outlives its connection by so many seconds (0 = none). Whether it had one, and what
    /// has to be saved now.
    pub(super) fn begin(&mut self, id: &str, clean: bool, expiry: u32) -> (bool, Option<Save>) {
        let now = seconds();
        let earlier = self.known.get(id).copied().filter(|until| *until > now);
        let is_present = earlier.is_some() && !clean;
        let changed = if expiry == 0 {
            self.known.remove(id).is_some()
        } else {
            let until = until(now, expiry);
            // A line feed would break the file; such an id is as good as none.
            if id.contains('\n') {
                return (false, None);
            }
            if earlier.is_none() && self.known.len() >= LIMIT {
                self.make_room(now);
            }
            self.known.insert(id.to_owned(), until);
            earlier.is_none()
        };
        (is_present, changed.then(|| self.save()))
    }

    /// The connection of a device with such a session has ended: the time runs from here.
    pub(super) fn end(&mut self, id: &str, expiry: u32) {
        if let Some(end) = self.known.get_mut(id) {
            *end = until(seconds(), expiry);
        }
    }

    /// What has to be written, away from the runtime's threads.
    pub(super) fn save(&self) -> Save {
        let lines = self.known.iter().map(|(id, until)| format!("{until} {id}\n"));
        Save { key: self.key.clone(), text: lines.collect(), store: self.store.clone() }
    }

    fn make_room(&mut self, now: u64) {
        self.known.retain(|_, until| *until > now);
        if self.known.len() >= LIMIT
            && let Some(first) = self.known.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
        {
            self.known.remove(&first);
        }
    }
}

/// The sessions as they were, to be written.
#[derive(Debug)]
pub(super) struct Save {
    key: String,
    text: String,
    store: Arc<dyn StateStore>,
}

impl Save {
    pub(super) async fn write(self) {
        let written = tokio::task::spawn_blocking(move || self.store.save(&self.key, self.text.as_bytes())).await;
        if let Ok(Err(error)) = written {
            tracing::warn!("the sessions of devices cannot be saved, after a restart they begin anew: {error}");
        }
    }
}

fn until(now: u64, expiry: u32) -> u64 {
    if expiry == FOR_EVER { u64::MAX } else { now + u64::from(expiry) }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lorry_core::relay::MemoryState;

    fn sessions(store: &Arc<MemoryState>) -> Sessions {
        Sessions::load(store.clone(), "sessions".to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_session_is_known_after_a_restart() {
        let store = Arc::new(MemoryState::default());
        let mut before = sessions(&store);
        let (was_there, save) = before.begin("device 1", false, FOR_EVER);
        assert!(!was_there);
        save.unwrap().write().await;
        assert!(before.begin("device 1", false, FOR_EVER).0);
        let mut after = sessions(&store);
        assert!(after.begin("device 1", false, FOR_EVER).0);
        assert!(!after.begin("device 2", false, FOR_EVER).0);
    }

    #[test]
    fn a_clean_start_ends_it_and_so_does_time() {
        let mut sessions = sessions(&Arc::default());
        sessions.begin("a", false, 60);
        assert!(!sessions.begin("a", true, 60).0);
        assert!(sessions.begin("a", false, 60).0);
        sessions.end("a", 0);
        assert!(!sessions.begin("a", false, 60).0);
        sessions.begin("a", true, 0);
        assert!(!sessions.begin("a", false, 60).0, "without an expiry nothing is kept");
    }

    #[test]
    fn their_number_is_bounded() {
        let mut sessions = sessions(&Arc::default());
        for n in 0..LIMIT + 10 {
            sessions.begin(&n.to_string(), false, 60 + n as u32);
        }
        assert_eq!(sessions.known.len(), LIMIT);
        assert!(sessions.begin(&(LIMIT + 9).to_string(), false, 60).0);
        assert!(!sessions.begin("0", false, 60).0);
    }
}

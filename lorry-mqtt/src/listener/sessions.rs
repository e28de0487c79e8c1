//! Which devices have a session here.
//!
//! A device that only publishes leaves nothing at a server but the fact that it was there. It matters all the same: told that there
//! is no session, a device must forget what it has not seen acknowledged (MQTT-3.2.2-5), and that would be lost. So the fact is
//! kept, for a named relay across restarts.

use super::lock;
use lorry_core::relay::StateStore;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sessions are kept in so many pieces of state, of which one is written when a device is new.
const SHARDS: usize = 16;
/// Sessions remembered at most in one of them; the ones that end first make room.
const LIMIT: usize = 625;
/// A session that never expires.
pub(super) const FOR_EVER: u32 = u32::MAX;

/// Client ids with the time their session ends, in seconds since 1970. Clones are the same sessions.
#[derive(Clone, Debug)]
pub(super) struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: Vec<Mutex<HashMap<String, u64>>>,
    writing: Mutex<()>,
    key: String,
    store: Arc<dyn StateStore>,
}

impl Sessions {
    /// Those that an earlier process left under this key.
    pub(super) fn load(store: Arc<dyn StateStore>, key: String) -> lorry_core::Result<Self> {
        let mut shards = Vec::with_capacity(SHARDS);
        for number in 0..SHARDS {
            let saved = store.load(&shard_key(&key, number))?.unwrap_or_default();
            let saved = String::from_utf8_lossy(&saved);
            let known = saved.lines().filter_map(|line| {
                let (until, id) = line.split_once(' ')?;
                Some((id.to_owned(), until.parse().ok()?))
            });
            shards.push(Mutex::new(known.collect()));
        }
        Ok(Self(Arc::new(Inner { shards, writing: Mutex::default(), key, store })))
    }

    /// A device logs in, with a session that outlives its connection by so many seconds (0 = none). Whether it had one, and what
    /// has to be saved now.
    pub(super) fn begin(&self, id: &str, clean: bool, expiry: u32) -> (bool, Option<Save>) {
        // A line feed would break the file; such an id is as good as none.
        if id.contains(['\n', '\r']) {
            return (false, None);
        }
        let (now, number) = (seconds(), shard_of(id));
        let mut known = lock(&self.0.shards[number]);
        let earlier = known.get(id).copied().filter(|until| *until > now);
        let is_present = earlier.is_some() && !clean;
        let changed = if expiry == 0 {
            known.remove(id).is_some()
        } else {
            if earlier.is_none() && known.len() >= LIMIT {
                make_room(&mut known, now);
            }
            known.insert(id.to_owned(), until(now, expiry));
            earlier.is_none()
        };
        (is_present, changed.then(|| Save { sessions: self.clone(), shards: number..number + 1 }))
    }

    /// The connection of a device with such a session has ended: the time runs from here.
    pub(super) fn end(&self, id: &str, expiry: u32) {
        if let Some(end) = lock(&self.0.shards[shard_of(id)]).get_mut(id) {
            *end = until(seconds(), expiry);
        }
    }

    /// All that has to be written at the end.
    pub(super) fn save(&self) -> Save {
        Save { sessions: self.clone(), shards: 0..SHARDS }
    }

    fn write(&self, number: usize, even_if_empty: bool) -> lorry_core::Result<()> {
        // One after the other, each with what is newest.
        let _writing = lock(&self.0.writing);
        let text: String = lock(&self.0.shards[number]).iter().map(|(id, until)| format!("{until} {id}\n")).collect();
        if text.is_empty() && !even_if_empty {
            return Ok(());
        }
        self.0.store.save(&shard_key(&self.0.key, number), text.as_bytes())
    }
}

/// Sessions that have changed, to be written away from the runtime's threads.
#[derive(Debug)]
pub(super) struct Save {
    sessions: Sessions,
    shards: std::ops::Range<usize>,
}

impl Save {
    pub(super) async fn write(self) {
        let even_if_empty = self.shards.len() == 1;
        let write = move || self.shards.clone().try_for_each(|number| self.sessions.write(number, even_if_empty));
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!("the sessions of devices cannot be saved, after a restart they begin anew: {error}");
        }
    }
}

fn make_room(known: &mut HashMap<String, u64>, now: u64) {
    known.retain(|_, until| *until > now);
    if known.len() >= LIMIT
        && let Some(first) = known.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
    {
        known.remove(&first);
    }
}

fn shard_key(key: &str, number: usize) -> String {
    format!("{key}-{number}")
}

/// The same in every process: `DefaultHasher::new` has fixed keys, and a change of it only has sessions begin anew.
fn shard_of(id: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    (hasher.finish() % SHARDS as u64) as usize
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
        let before = sessions(&store);
        let (was_there, save) = before.begin("device 1", false, FOR_EVER);
        assert!(!was_there);
        save.unwrap().write().await;
        assert!(before.begin("device 1", false, FOR_EVER).0);
        let after = sessions(&store);
        assert!(after.begin("device 1", false, FOR_EVER).0);
        assert!(!after.begin("device 2", false, FOR_EVER).0);
    }

    #[test]
    fn a_clean_start_ends_it_and_so_does_time() {
        let sessions = sessions(&Arc::default());
        sessions.begin("a", false, 60);
        assert!(!sessions.begin("a", true, 60).0);
        assert!(sessions.begin("a", false, 60).0);
        sessions.end("a", 0);
        assert!(!sessions.begin("a", false, 60).0);
        sessions.begin("a", true, 0);
        assert!(!sessions.begin("a", false, 60).0, "without an expiry nothing is kept");
    }

    #[test]
    fn their_number_is_bounded_and_the_first_to_end_make_room() {
        let sessions = sessions(&Arc::default());
        for n in 0..2 * LIMIT * SHARDS {
            sessions.begin(&n.to_string(), false, 60 + n as u32);
        }
        assert!(sessions.0.shards.iter().all(|shard| lock(shard).len() == LIMIT));
        assert!(sessions.begin(&(2 * LIMIT * SHARDS - 1).to_string(), false, 60).0);
        assert!(!sessions.begin("0", false, 60).0);
    }
}

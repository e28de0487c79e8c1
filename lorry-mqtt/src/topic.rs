//! Topic names and topic filters.

/// Whether this is a topic to publish to: not empty, without `+`, `#` and U+0000.
pub fn is_name(topic: &[u8]) -> bool {
    !topic.is_empty() && !topic.iter().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// Whether this is a topic filter: not empty, `+` and `#` a whole level each, `#` the last; a shared one (`$share/GROUP/FILTER`)
/// with a group and a filter.
///
/// ```
/// use lorry_mqtt::topic::is_filter;
/// assert!(is_filter("a/+/b/#") && is_filter("#") && is_filter("+") && is_filter("/") && is_filter("$share/g/a/#"));
/// assert!(!is_filter("") && !is_filter("a#") && !is_filter("#/a") && !is_filter("a/b+") && !is_filter("$share/g"));
/// ```
pub fn is_filter(filter: &str) -> bool {
    if let Some(shared) = filter.strip_prefix("$share/") {
        return match shared.split_once('/') {
            Some((group, filter)) => !group.is_empty() && !group.contains(['+', '#']) && is_filter(filter),
            None => false,
        };
    }
    let mut levels = filter.split('/').peekable();
    let mut fits = !filter.is_empty() && !filter.contains('\0');
    while let Some(level) = levels.next() {
        fits &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            level => !level.contains(['+', '#']),
        };
    }
    fits
}

/// Whether a filter matches a topic. A filter that begins with a wildcard matches no topic that begins with `$` (`$SYS/…`).
///
/// ```
/// use lorry_mqtt::topic::matches;
/// assert!(matches("sensors/+/temperature", "sensors/kitchen/temperature"));
/// assert!(matches("sensors/#", "sensors") && matches("sensors/#", "sensors/a/b"));
/// assert!(!matches("#", "$SYS/uptime") && matches("$SYS/#", "$SYS/uptime"));
/// ```
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification() {
        // MQTT 5, 4.7.1 and 4.7.2.
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/a", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a", "A", false),
            ("#", "a/b", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    proptest! {
        #[test]
        fn a_topic_matches_itself_and_with_any_level_replaced(topic in "[a-c]{0,2}(/[a-c]{0,2}){0,4}", level in 0_usize..6) {
            prop_assert!(matches(&topic, &topic));
            let levels: Vec<_> = topic.split('/').collect();
            if level < levels.len() {
                let mut plus = levels.clone();
                plus[level] = "+";
                prop_assert!(is_filter(&plus.join("/")) && matches(&plus.join("/"), &topic));
                let mut hash = levels[..level].to_vec();
                hash.push("#");
                prop_assert!(is_filter(&hash.join("/")) && matches(&hash.join("/"), &topic));
            }
        }

        #[test]
        fn what_is_no_filter_is_refused_and_nothing_panics(filter in "[a+#/$]{0,8}", topic in "[a+#/$]{0,8}") {
            matches(&filter, &topic);
            if is_filter(&filter) {
                prop_assert!(filter.find('#').is_none_or(|at| at == filter.len() - 1));
            }
        }
    }
}

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::registry::Registry;
use proptest::prelude::*;

fn refuse(text: &str) -> String {
    parse(text, Case::Ignored).and_then(|graph| graph.layout(&Registry::new())).map(|_| ()).unwrap_err().to_string()
}

fn links(text: &str) -> Vec<String> {
    let layout = parse(text, Case::Ignored).and_then(|graph| graph.layout(&Registry::new())).unwrap();
    layout.links().map(|[from, to]| format!("{from} {to}")).collect()
}

#[test]
fn links_and_properties() {
    assert_eq!(links("A(identity) -> B(identity), B -> C(identity)"), ["A.src B.sink", "B.src C.sink"]);
    assert_eq!(
        links("T(tee) OUT[1] -> A(identity), T OUT[0] -> IN[3] F(funnel)"),
        ["T.src_1 A.sink", "T.src_0 F.sink_3"]
    );
    assert_eq!(links("A(tee) SRC_4 -> SINK_2 F(union) OUT -> B(queue)"), ["A.src_4 F.sink_2", "F.src B.sink"]);
    // What branches and comes together without a tee and a funnel.
    assert_eq!(
        links("A(identity) -> B(identity) -> C(identity), A -> C # again"),
        [
            "A.src tee0.sink",
            "funnel0.src C.sink",
            "tee0.src_0 B.sink",
            "B.src funnel0.sink_0",
            "tee0.src_1 funnel0.sink_1"
        ]
    );
    let text = "'5' -> MAX_SIZE_BUFFERS Q(queue), ['a', 1]\n";
    assert!(refuse(text).contains("begins like JSON"));
    let text = "5 -> MAX-SIZE-BUFFERS Q(queue)\n\"downstream\" -> LEAKY Q";
    let layout = parse(text, Case::Ignored).unwrap().layout(&Registry::new()).unwrap();
    let properties = layout.elements()[0].properties.iter().map(|property| (&*property.name, &*property.value));
    assert_eq!(properties.collect::<Vec<_>>(), [("max-size-buffers", "5"), ("leaky", "downstream")]);
}

#[test]
fn errors_say_where() {
    for (text, says, place) in [
        ("A(identity)\n  --> B(identity)", "begin with '-' (line 2, column 3)", "-"),
        ("A(identity) -> B", "B has no element (line 1, column 16)", "B"),
        ("A(identity) -> X(nosuch)", "no element \"nosuch\"", "nosuch"),
        ("A(identity) -> B(identity\nC(identity)", "never closed (line 1, column 17)", "("),
        ("'x -> IN A(identity)", "never closed (line 1, column 1)", "'"),
        ("'x' A(identity)", "leads to a port", "A"),
        ("'x' -> IN A(identity)", "sets a property", "'x' -> IN A(identity)"),
        ("{\"a\": } -> IN A(identity)", "begins like JSON", "{"),
        ("A(identity) VIDEO -> B(identity)", "no pad \"video\"", "A(identity)"),
        ("A(identity) OUT[x] -> B(identity)", "no number of a port", "["),
        ("A(identity) -> B(identity) OUT", "nothing is linked to", "OUT"),
        ("A(identity) -> B(queue), B(tee) -> A", "B is a queue already", "B(tee)"),
        ("INPORT=nosuch.IN:x\nA(identity)", "nosuch has no element", "INPORT=nosuch.IN:x"),
        ("INPORT=nosuch\nA(identity)", "INPORT=PROCESS.PORT:NAME", "INPORT=nosuch"),
        ("EXPORT=A.IN:x", "no longer", "EXPORT=A.IN:x"),
        ("A(identity) B C D -> E(identity)", "too many words", "D"),
        ("() -> A(identity)", "neither a process nor an element", "()"),
    ] {
        let error = refuse(text);
        let lines: Vec<_> = error.lines().collect();
        let [what, line, carets] = lines[..] else { panic!("{error}") };
        let column = carets.chars().take_while(|c| *c == ' ').count();
        let under: String = line.chars().skip(column).take(carets.chars().count() - column).collect();
        assert!(what.contains(says), "{text}: {error}");
        assert_eq!(under, place, "{text}: {error}");
    }
    assert!(refuse(" # nothing\n").contains("empty"));
    let many: String = (0..501).map(|n| format!("A{n}(identity)\n")).collect();
    assert!(refuse(&many).contains("at most 500"));
}

#[test]
fn passwords_are_not_shown() {
    for text in [
        "'hunter2' -> PASSWORD A(nosuch)",
        "'hunter2 -> PASSWORD A(nosuch)",
        "\"hunter2\" -> password A(nosuch)",
        "{\"password\": \"hunter2\"} -> X A(nosuch)",
        "{\"password\": \"hunter2\" -> X A(nosuch)",
        "'mqtt://joe:hunter2@h/a' -> LOCATION A(nosuch)",
        "'hunter2' -- PASSWORD A(nosuch)",
        "'hunter2' -> API_TOKEN A(nosuch) OUT",
    ] {
        let error = refuse(text);
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{:?}", parse(text, Case::Ignored)).contains("hunter2"));
    }
    assert!(refuse("'open to all' -> NAME A(nosuch)").contains("'open to all'"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[A-C01 .,:()\\[\\]{}'\"#=\\\\>\\n-]{0,60}|(A|B\\(tee\\)|IN|OUT|->|'x'| |,|\\[1\\]|\n){0,20}") {
        let graph = parse(&text, Case::Ignored);
        let _ = format!("{graph:?}");
        if let Ok(graph) = graph {
            let _ = graph.to_json();
            let _ = graph.layout(&Registry::new());
        }
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let _ = parse(&text, Case::Sensitive);
    }

    #[test]
    fn literals_read_back(value in "[^\\\\]*") {
        let text = format!("'{}' -> X A(identity)", value.replace('\'', "\\'"));
        let graph = parse(&text, Case::Ignored).unwrap();
        prop_assert_eq!(&graph.to_json()["connections"][0]["data"], &value);
    }
}

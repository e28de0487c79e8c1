//! Compiling and running by jaq.

use super::input;
use super::limits::{self, Limits};
use super::native::Native;
use super::recursion::{self, Fault};
use crate::{Error, Message, Result, did_you_mean};
use jaq_core::compile::Undefined;
use jaq_core::data::HasLut;
use jaq_core::load::{self, Arena, File, Loader, parse::Def};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Compiler, Ctx, DataT, Filter, Lut, RunPtr, Vars};
use jaq_json::Val;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest expression, in bytes. Somebody who needs more has a program, not an expression.
const LONGEST: usize = 16 << 10;

/// How deep an expression may nest: what the stack of a worker thread (2 MiB) holds many times over, in a debug build too.
const DEEPEST: usize = 200;

/// The stack on which expressions are parsed; parsing is recursive, and how deep it goes is known only afterwards.
const STACK: usize = 256 << 20;

/// What an expression gets in variables, and how it is called there.
type Variable = (&'static str, fn(&Message) -> Val);
const VARIABLES: [Variable; 4] =
    [("$topic", input::topic), ("$key", input::key), ("$headers", input::headers), ("$timestamp", input::timestamp)];

/// Functions that end the process, look at its environment, write to its log, or depend on where it runs.
const REMOVED: [&str; 11] = [
    "halt",
    "halt_error",
    "env",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "input",
    "inputs",
];

/// The name under which the expression stands in the library, where the limits can be put into it.
const OWN_NAME: &str = "lorry_expression";

/// What kinds of values and data jaq works with.
pub(super) struct Kinds;

impl DataT for Kinds {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

/// What functions of the library see of an evaluation.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    lut: &'a Lut<Kinds>,
    pub(super) limits: &'a Limits,
}

impl<'a> HasLut<'a, Kinds> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kinds> {
        self.lut
    }
}

/// A compiled expression.
pub(super) struct Program {
    filter: Filter<Kinds>,
    /// In how many places it makes values.
    weight: usize,
    /// Which of the variables it mentions: the others are not made.
    mentioned: [bool; VARIABLES.len()],
    /// The way around the interpreter, for comparisons of fields.
    native: Option<Native>,
}

impl Program {
    pub(super) fn compile(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Error::usage(format!("an expression of {} bytes; the most is {LONGEST}", text.len())));
        }
        let failed = |what: &str| Error::usage(format!("the expression {text:?} could not be compiled: {what}"));
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || compile(text));
            thread.map_err(|error| failed(&error.to_string()))?.join().map_err(|_| failed("the compiler panicked"))?
        })
    }

    /// Whether the first output is truthy, where that can be told without the interpreter.
    pub(super) fn quick_test(&self, message: &Message) -> Option<bool> {
        self.native.as_ref()?.test(message.payload.as_ref()?)
    }

    /// Evaluates, and hands over each output until `each` has enough.
    pub(super) fn run(
        &self,
        message: &Message,
        mut each: impl FnMut(Val) -> Result<ControlFlow<()>, String>,
    ) -> Result<(), String> {
        let payload = input::payload(message)?;
        let variables = VARIABLES.iter().zip(self.mentioned);
        let variables = variables.map(|((_, make), mentioned)| if mentioned { make(message) } else { Val::Null });
        let limits = Limits::new(self.weight);
        let data = Data { lut: &self.filter.lut, limits: &limits };
        let context = Ctx::<Kinds>::new(data, Vars::new(variables));
        // The interpreter has a few assertions of its own. What trips one is this message's fault; the relay goes on.
        let evaluate = || {
            for output in self.filter.id.run((context, payload)) {
                let value = output.map_err(|exception| match exception.get_err() {
                    Ok(error) => shortened(&error.to_string()),
                    Err(_) => "it was left in an unusual way".to_owned(),
                })?;
                if each(value)?.is_break() {
                    break;
                }
            }
            Ok(())
        };
        catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|_| Err("the interpreter panicked".to_owned()))
    }
}

/// jaq puts the values at fault into its errors, and a value may be the whole payload.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn compile(text: &str) -> Result<Program> {
    let wrong = |what: String| Error::usage(format!("expression {text:?}: {what}"));
    let at = |part: &str| match load::span(text, part).start {
        start if start < text.len() => format!(" at column {}", text[..start].chars().count() + 1),
        _ => " at the end".to_owned(),
    };
    let arena = Arena::default();
    // For its errors, which say where.
    Loader::new(definitions()).load(&arena, File { code: text, path: () }).map_err(|errors| {
        let first = errors.into_iter().next().map(|(_, error)| error);
        wrong(match first {
            Some(load::Error::Lex(errors)) => match errors.into_iter().next() {
                Some((expected, found)) => format!("expected {}{}", expected.as_str(), at(found)),
                None => "syntax error".to_owned(),
            },
            Some(load::Error::Parse(errors)) => match errors.into_iter().next() {
                Some((expected, "")) => format!("expected {} at the end", expected.as_str()),
                Some((expected, found)) => format!("expected {}, not {found:?}{}", expected.as_str(), at(found)),
                None => "syntax error".to_owned(),
            },
            Some(load::Error::Io(_)) => "modules cannot be included or imported".to_owned(),
            None => "syntax error".to_owned(),
        })
    })?;
    // Not so with a module header, which an expression has no use for.
    let mut term =
        load::parse(text, |parser| parser.term()).ok_or_else(|| wrong("expected an expression".to_owned()))?;
    if let Some(fault) = recursion::check(&term, OWN_NAME, DEEPEST) {
        return Err(match fault {
            Fault::Deep => wrong(format!("it nests deeper than {DEEPEST}")),
            Fault::Recursive(name) => wrong(format!("{name} calls itself"))
                .hint("write it with recurse, until, while, reduce or walk; endless recursion would end the process"),
        });
    }
    let native = Native::of(&term);
    let weight = 1 + limits::into(&mut term);
    let own = Def { name: OWN_NAME, args: Vec::new(), body: term };
    let library = definitions().map(limits::into_definition);
    let library = std::iter::once(limits::range()).chain(library).chain([own]);
    let modules = Loader::new(library).load(&arena, File { code: OWN_NAME, path: () });
    let modules = modules.map_err(|_| wrong("it does not compile".to_owned()))?;
    let compiler = Compiler::default().with_funs(functions()).with_global_vars(VARIABLES.map(|(name, _)| name));
    let filter = compiler.compile(modules).map_err(|errors| {
        let first = errors.into_iter().next().and_then(|(_, errors)| errors.into_iter().next());
        let Some((name, undefined)) = first else { return wrong("it does not compile".to_owned()) };
        match undefined {
            Undefined::Filter(arity) => {
                let error = wrong(format!("no function {name}/{arity}{}", at(name)));
                let known = definitions().map(|def| def.name).chain(functions().map(|(name, ..)| name));
                let known = known.filter(|name| !name.starts_with('!')).chain(["range"]);
                match did_you_mean(name, known) {
                    Some(near) if near == name => error.hint("it takes another number of arguments"),
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error,
                }
            }
            Undefined::Var => wrong(format!("no variable {name}{}", at(name)))
                .hint(format!("there are {}", VARIABLES.map(|(name, _)| name).join(", "))),
            other => wrong(format!("no {} {name}", other.as_str())),
        }
    })?;
    Ok(Program { filter, weight, mentioned: VARIABLES.map(|(name, _)| text.contains(name)), native })
}

fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    all.filter(|def| !REMOVED.contains(&def.name))
}

fn functions() -> impl Iterator<Item = Fun<Kinds>> {
    let all = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let own: (_, _, RunPtr<Kinds>) = ("fromjson", v(0), |cv| bome(from_json(cv.1)));
    all.filter(|(name, ..)| !REMOVED.contains(name) && *name != "fromjson")
        .map(limits::renamed)
        .chain([run::<Kinds>(own)])
        .chain(limits::functions())
}

/// Strict, and bounded in depth, as the payload itself: a string in a payload is as little to be trusted.
fn from_json(value: Val) -> jaq_json::ValR {
    let Val::TStr(text) = &value else { return Err(jaq_json::Error::typ(value, "string")) };
    input::json(text).map_err(|what| jaq_json::Error::str(format!("cannot parse as JSON: {what}")))
}

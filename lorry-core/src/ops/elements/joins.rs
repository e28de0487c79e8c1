//! `zip`, `combine-latest`, `zip-latest`, `funnel`, `union`.

use super::{Gathered, at_least_one};
use crate::flow::Operator;
use crate::ops::{CombineLatestAll, Union, ZipAll, ZipLatestAll};
use crate::registry::{Args, ElementSpec, Registry};
use crate::{Error, Message, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

type Made = Result<Box<dyn Operator<(usize, Message), Message>>>;

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct ZipOptions {
    /// How many messages an input may be ahead of the others before it has to wait.
    ahead: usize,
}

impl Default for ZipOptions {
    fn default() -> Self {
        Self { ahead: 10 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct CombineOptions {
    /// Gives out something only when a message comes on this input, counted from 0; repeatable. Default: on any.
    emit_on: Vec<usize>,
}

pub(super) fn register(registry: &mut Registry) {
    for name in ["funnel", "union"] {
        let make = |_: &mut Args, _| -> Made { Ok(Box::new(Union)) };
        let spec =
            ElementSpec::join(name, make).about("makes one stream of several, as messages come").one_input_will_do();
        registry.add(if name == "funnel" { spec } else { spec.alias_of("funnel") });
    }
    let zip = |args: &mut Args, inputs| -> Made {
        let ZipOptions { ahead } = args.take()?;
        Ok(Box::new(Gathered(ZipAll::new(inputs).ahead(at_least_one(ahead, "zip", "ahead")?))))
    };
    registry.add(
        ElementSpec::join("zip", zip)
            .about("an array of the first messages of all inputs, then of the second ones, and so on")
            .options::<ZipOptions>(),
    );
    let combine = |args: &mut Args, inputs| -> Made {
        let CombineOptions { emit_on } = args.take()?;
        if let Some(input) = emit_on.iter().find(|&&input| input >= inputs) {
            return Err(Error::usage(format!("option \"emit-on\": there is no input {input}"))
                .hint(format!("there are {inputs}, counted from 0")));
        }
        Ok(Box::new(Gathered(CombineLatestAll::new(inputs).emit_on(emit_on))))
    };
    registry.add(
        ElementSpec::join("combine-latest", combine)
            .about("an array of the newest messages of all inputs, whenever one comes")
            .options::<CombineOptions>(),
    );
    let latest = |_: &mut Args, inputs| -> Made { Ok(Box::new(Gathered(ZipLatestAll::new(inputs)))) };
    registry.add(
        ElementSpec::join("zip-latest", latest)
            .about("each message of the first input once, with the newest of all others, as an array"),
    );
}

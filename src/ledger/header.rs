//! What a run is: the first line of a manifest. Whoever goes on with a run must bring the same.

use crate::columns::Nulls;
use crate::error::{Difference, shown};
use crate::io::{Compression, Format, InputIdentity};
use crate::step::{Configuration, distribution_with_version};
use serde::{Deserialize, Serialize};

/// The version of the format of output directories.
pub const FORMAT: u32 = 1;

/// Everything that the bytes of an output directory depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The version of text-processor: its own steps belong to it.
    pub version: String,
    /// What is done.
    pub plan: PlanIdentity,
    /// How.
    pub options: OptionsIdentity,
    /// What is read.
    pub inputs: Vec<InputIdentity>,
}

/// A plan, as far as what it makes depends on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanIdentity {
    /// The steps in order.
    pub steps: Vec<StepIdentity>,
    /// The key of the text.
    pub text: String,
    /// The key of the identity.
    pub id: String,
    /// What happens to a record that fails.
    pub on_error: String,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepIdentity {
    /// Its canonical name.
    pub name: String,
    /// Its configuration, defaults included.
    pub configuration: Configuration,
    /// The distribution that ships it.
    pub distribution: Option<String>,
    /// That distribution's version.
    pub version: Option<String>,
    /// A fingerprint of the files that it is made of, where a step has such and they can be read.
    pub files: Option<String>,
}

/// The options of a run that its output depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionsIdentity {
    /// How all inputs lie, where that was said; else each name tells.
    pub input_format: Option<Format>,
    /// How the output lies.
    pub output_format: Format,
    /// How what goes out is compressed.
    pub compression: Compression,
    /// After how many bytes of the inputs a shard ends.
    pub shard_bytes: u64,
    /// What becomes of a record whose text is null.
    #[serde(default)]
    pub nulls: Nulls,
    /// The most records to read.
    pub limit: Option<u64>,
    /// The most bytes of a record.
    pub record_bytes: u64,
    /// The most parts of a record.
    pub parts: u64,
    /// How deep JSON may be nested.
    pub json_depth: u64,
    /// How many times as large as it is a compressed input may become.
    pub max_expansion: Option<u64>,
    /// Where plugins run: `process` or `thread`.
    pub isolation: String,
    /// How many milliseconds a worker may work on one record.
    pub timeout: Option<u64>,
    /// How many bytes of memory a worker may have, where somebody said.
    pub memory: Option<u64>,
}

impl OptionsIdentity {
    /// What the names of the files with what goes out end with.
    #[must_use]
    pub fn extension(&self) -> String {
        format!("{}{}", self.output_format.extension(), self.compression.extension())
    }
}

/// Collects what differs.
#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn check<T: PartialEq>(&mut self, what: impl Into<String>, before: &T, now: &T, show: impl Fn(&T) -> String) {
        if before != now {
            self.0.push(Difference {
                what: what.into(),
                before: show(before),
                now: show(now),
            });
        }
    }

    fn check_json<T: PartialEq + Serialize>(&mut self, what: &str, before: &T, now: &T) {
        self.check(what, before, now, |value| match serde_json::to_string(value) {
            Ok(json) => format!("`{}`", json.trim_matches('"')),
            Err(_) => "unknown".to_owned(),
        });
    }
}

impl Header {
    /// What is not as it was in this header.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut found = Differences::default();
        found.check(
            "the version of text-processor",
            &self.version,
            &now.version,
            Clone::clone,
        );
        self.plan.compare(&now.plan, &mut found);
        self.options.compare(&now.options, &mut found);
        compare_inputs(&self.inputs, &now.inputs, &mut found);
        found.0
    }
}

impl PlanIdentity {
    fn compare(&self, now: &Self, found: &mut Differences) {
        let names = |plan: &Self| {
            let names: Vec<String> = plan.steps.iter().map(|step| format!("`{}`", step.name)).collect();
            if names.is_empty() {
                "no step".to_owned()
            } else {
                names.join(", ")
            }
        };
        let (were, are) = (names(self), names(now));
        found.check("the list of steps", &were, &are, Clone::clone);
        if were == are {
            for (before, now) in self.steps.iter().zip(&now.steps) {
                before.compare(now, found);
            }
        }
        let quoted = |text: &String| format!("`{text}`");
        found.check("the field of the text", &self.text, &now.text, quoted);
        found.check("the field of the identity", &self.id, &now.id, quoted);
        found.check("the error policy", &self.on_error, &now.on_error, quoted);
    }
}

impl StepIdentity {
    fn compare(&self, now: &Self, found: &mut Differences) {
        let name = shown(&self.name);
        let show = |value: &Option<serde_json::Value>| match value {
            Some(value) => format!("`{value}`"),
            None => "not set".to_owned(),
        };
        let others = now
            .configuration
            .keys()
            .filter(|key| !self.configuration.contains_key(*key));
        for key in self.configuration.keys().chain(others) {
            let what = format!("`{}` of step `{name}`", shown(key));
            let [before, now] = [self, now].map(|step| step.configuration.get(key).cloned());
            found.check(what, &before, &now, show);
        }
        let distribution = |step: &Self| match &step.distribution {
            Some(distribution) => distribution_with_version(distribution, step.version.as_deref()),
            None => "in no distribution".to_owned(),
        };
        let what = format!("the distribution of step `{name}`");
        found.check(what, &distribution(self), &distribution(now), Clone::clone);
        let fingerprint = |files: &Option<String>| match files {
            Some(files) => format!("`{}`", files.get(..16).unwrap_or(files)),
            None => "unknown".to_owned(),
        };
        let what = format!("the fingerprint of the files of step `{name}`");
        found.check(what, &self.files, &now.files, fingerprint);
    }
}

impl OptionsIdentity {
    fn compare(&self, now: &Self, found: &mut Differences) {
        found.check_json("the format of the inputs", &self.input_format, &now.input_format);
        found.check_json("the format of the output", &self.output_format, &now.output_format);
        found.check_json("the compression", &self.compression, &now.compression);
        found.check_json("the size of a shard", &self.shard_bytes, &now.shard_bytes);
        found.check_json("the fate of null texts", &self.nulls, &now.nulls);
        found.check_json("the limit on records", &self.limit, &now.limit);
        found.check_json(
            "the limit on the bytes of a record",
            &self.record_bytes,
            &now.record_bytes,
        );
        found.check_json("the limit on the parts of a record", &self.parts, &now.parts);
        found.check_json("the limit on the depth of JSON", &self.json_depth, &now.json_depth);
        found.check_json(
            "the limit on the expansion of inputs",
            &self.max_expansion,
            &now.max_expansion,
        );
        found.check_json("the isolation of plugins", &self.isolation, &now.isolation);
        found.check_json("the time-out in milliseconds", &self.timeout, &now.timeout);
        found.check_json("the memory of a worker", &self.memory, &now.memory);
    }
}

fn compare_inputs(before: &[InputIdentity], now: &[InputIdentity], found: &mut Differences) {
    let count = |inputs: &usize| inputs.to_string();
    found.check("the number of inputs", &before.len(), &now.len(), count);
    for (number, (before, now)) in (1..).zip(before.iter().zip(now)) {
        if before.name != now.name {
            let what = format!("input {number}");
            return found.check(what, &before.name, &now.name, |name| format!("`{}`", shown(name)));
        }
        compare_input(before, now, found);
    }
}

fn compare_input(before: &InputIdentity, now: &InputIdentity, found: &mut Differences) {
    let name = shown(&before.name);
    let number = |value: &Option<u64>| value.map_or("unknown".to_owned(), |value| value.to_string());
    found.check(format!("the size of `{name}`"), &before.size, &now.size, number);
    if before.tag.is_some() && now.tag.is_some() {
        let tag = |value: &Option<String>| format!("`{}`", shown(value.as_deref().unwrap_or_default()));
        found.check(format!("the ETag of `{name}`"), &before.tag, &now.tag, tag);
    }
    // What a store calls by the same tag has the same bytes, whenever it was put there.
    if !(before.has_strong_tag() && now.has_strong_tag()) {
        found.check(
            format!("the time of modification of `{name}` in nanoseconds since 1970"),
            &before.modified,
            &now.modified,
            number,
        );
    }
    let hash = |value: &Option<String>| match value {
        Some(hash) => format!("`{}`", hash.get(..16).unwrap_or(hash)),
        None => "unknown".to_owned(),
    };
    found.check(format!("the hash of `{name}`"), &before.content, &now.content, hash);
}

#[cfg(test)]
pub(super) fn example() -> Header {
    Header {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        plan: PlanIdentity {
            steps: vec![StepIdentity {
                name: "length".to_owned(),
                configuration: serde_json::json!({"minimum": 2, "unit": "words"})
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                distribution: None,
                version: None,
                files: None,
            }],
            text: "text".to_owned(),
            id: "id".to_owned(),
            on_error: "quarantine".to_owned(),
        },
        options: OptionsIdentity {
            input_format: None,
            output_format: Format::Jsonl,
            compression: Compression::None,
            shard_bytes: 1000,
            nulls: Nulls::Quarantine,
            limit: None,
            record_bytes: 16 << 20,
            parts: 1_000_000,
            json_depth: 128,
            max_expansion: Some(200),
            isolation: "process".to_owned(),
            timeout: Some(300_000),
            memory: None,
        },
        inputs: vec![InputIdentity {
            name: "in.jsonl".to_owned(),
            size: Some(5000),
            modified: Some(1),
            content: Some("00".repeat(32)),
            tag: None,
        }],
    }
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;

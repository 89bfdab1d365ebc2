//! Plans over an in-memory host: what is loaded, in which order it runs, how it is fused, and what cannot be.

use super::*;
use crate::error::{Failure, PluginError, PluginFault};
use crate::plugins::{NoPlugins, Plugin};
use crate::record::{Field, FieldType, Value};
use crate::step::{Asked, Kind, Origin, Scratch, Stage, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone)]
struct FakeStep {
    declaration: Declaration,
    configuration: Configuration,
}

impl Step for FakeStep {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }
    fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }
    fn apply<'t>(&self, text: &'t str, _: &[Value], _: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        Ok(Verdict::Text(text))
    }
}

/// A world with plugins: each of `acme` is a Python step that needs the key `minimum` to be a number if it is given.
#[derive(Default)]
struct FakeHost {
    declarations: Vec<Declaration>,
    discovered: AtomicUsize,
}

impl FakeHost {
    fn with(declarations: Vec<Declaration>) -> Self {
        Self {
            declarations,
            ..Self::default()
        }
    }
}

impl Host for FakeHost {
    fn discover(&self) -> Result<Arc<Discovery>> {
        self.discovered.fetch_add(1, Ordering::Relaxed);
        let plugins = self.declarations.iter().map(|declaration| {
            let (distribution, short) = declaration.name.split_once('/').expect("a canonical name");
            Plugin {
                name: declaration.name.clone(),
                short_name: short.to_owned(),
                distribution: distribution.to_owned(),
                version: Some("1.0".into()),
                entry_point: format!("{short}:step"),
                location: "/site-packages".into(),
                editable: false,
            }
        });
        Ok(Arc::new(Discovery {
            plugins: plugins.collect(),
            ..Discovery::default()
        }))
    }

    fn load(&self, plugin: &Plugin, configuration: &Configuration) -> Result<Arc<dyn Step>> {
        if configuration.get("minimum").is_some_and(|minimum| !minimum.is_number()) {
            return Err(ConfigError::new("`minimum` must be a number, not text.")
                .with_key("minimum")
                .into());
        }
        if plugin.name.ends_with("broken") {
            return Err(PluginError::new(PluginFault::Load, &plugin.name, "It cannot be imported.").into());
        }
        let declaration = self.describe(plugin)?;
        Ok(Arc::new(FakeStep {
            declaration,
            configuration: configuration.clone(),
        }))
    }

    fn describe(&self, plugin: &Plugin) -> Result<Declaration> {
        let found = self
            .declarations
            .iter()
            .find(|declaration| declaration.name == plugin.name);
        Ok(found.expect("it was discovered").clone())
    }

    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        Box::new(RustSegment::new(steps))
    }
}

fn python(name: &str) -> Declaration {
    let (distribution, _) = name.split_once('/').expect("a canonical name");
    Declaration {
        runtime: Runtime::Python,
        origin: Some(Origin {
            distribution: distribution.to_owned(),
            version: Some("1.0".into()),
            entry_point: "module:step".into(),
        }),
        ..Declaration::built_in(name, Kind::Annotate, Stage::Annotate, "")
    }
}

fn adds(mut declaration: Declaration, field: &str) -> Declaration {
    declaration.fields.push(Field {
        name: field.to_owned(),
        r#type: FieldType::Text,
    });
    declaration
}

fn asks(mut declaration: Declaration, field: &str) -> Declaration {
    declaration.asks.push(Asked {
        name: field.to_owned(),
        required: true,
    });
    declaration
}

fn pipeline(names: &[&str]) -> Pipeline {
    Pipeline {
        steps: names
            .iter()
            .map(|&name| PipelineStep::named(name, Configuration::new()))
            .collect(),
        ..Pipeline::default()
    }
}

fn from_text(text: &str) -> Pipeline {
    config::parse(Path::new("pipeline.toml"), text.as_bytes().to_vec()).expect("a pipeline")
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .map(|step| step.step.declaration().name.as_str())
        .collect()
}

fn complaint(pipeline: &Pipeline, host: &dyn Host) -> String {
    let error = Plan::new(pipeline, host).expect_err("no plan");
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

#[test]
fn an_empty_pipeline_is_a_plan() {
    let plan = Plan::new(&Pipeline::default(), &NoPlugins).expect("a plan");
    assert!(plan.steps.is_empty() && plan.segments.is_empty() && plan.fields.is_empty());
    assert_eq!(
        (plan.text.as_str(), plan.id.as_str(), plan.on_error),
        ("text", "id", OnError::Quarantine)
    );
}

#[test]
fn built_ins_never_ask_what_is_installed_and_plugins_ask_once() {
    let host = FakeHost::with(vec![python("acme/a"), python("acme/b")]);
    Plan::new(&pipeline(&["trim-lines", "Trim.Lines"]), &host).expect("a plan");
    assert_eq!(host.discovered.load(Ordering::Relaxed), 0);
    Plan::new(&pipeline(&["a", "trim-lines", "acme/b"]), &host).expect("a plan");
    assert_eq!(host.discovered.load(Ordering::Relaxed), 1);
}

#[test]
fn consecutive_steps_of_one_runtime_are_fused() {
    let host = FakeHost::with(vec![python("acme/a"), python("acme/b")]);
    let plan = Plan::new(&pipeline(&["trim-lines", "trim-lines", "a", "b", "trim-lines"]), &host).expect("a plan");
    let segments: Vec<Vec<u16>> = plan
        .segments
        .iter()
        .map(|segment| segment.steps().iter().map(|step| step.index).collect())
        .collect();
    assert_eq!(segments, [vec![0, 1], vec![2, 3], vec![4]]);
    insta::assert_snapshot!(format!("{plan:?}"), @r#"Plan { steps: ["trim-lines", "trim-lines", "acme/a", "acme/b", "trim-lines"], segments: 3, text: "text", id: "id", on_error: Quarantine, .. }"#);
}

#[test]
fn fields_are_numbered_and_those_the_source_must_read_are_known() {
    let host = FakeHost::with(vec![
        asks(adds(python("acme/a"), "language"), "url"),
        asks(asks(python("acme/b"), "language"), "url"),
        asks(adds(python("acme/c"), "score"), "score"),
    ]);
    let plan = Plan::new(&pipeline(&["a", "trim-lines", "b", "c"]), &host).expect("a plan");
    let fields: Vec<(&str, Option<u16>, bool)> = plan
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.added_by, field.from_source))
        .collect();
    assert_eq!(
        fields,
        [
            ("url", None, true),
            ("language", Some(0), false),
            ("score", Some(3), true)
        ]
    );
    let placed: Vec<(&[u16], &[u16])> = plan
        .segments
        .iter()
        .flat_map(|segment| segment.steps())
        .map(|step| (step.asks.as_slice(), step.adds.as_slice()))
        .collect();
    assert_eq!(placed, [(&[0][..], &[1][..]), (&[], &[]), (&[1, 0], &[]), (&[2], &[2])]);
}

#[test]
fn given_steps_stand_where_they_are_given() {
    let step = FakeStep {
        declaration: Declaration::built_in("module.shout", Kind::Map, Stage::Transform, ""),
        configuration: Configuration::new(),
    };
    let mut pipeline = pipeline(&["trim-lines"]);
    pipeline.steps.insert(0, PipelineStep::given(Arc::new(step)));
    let plan = Plan::new(&pipeline, &NoPlugins).expect("a plan");
    assert_eq!(names(&plan), ["module.shout", "trim-lines"]);
}

#[test]
fn everything_installed_is_sorted_and_explained() {
    let host = FakeHost::with(vec![
        asks(python("acme/a"), "language"),
        adds(python("other/a"), "language"),
        Declaration {
            after: vec!["absent".into()],
            ..python("other/trim-lines")
        },
    ]);
    let plan = Plan::new(&Pipeline::discover(&host).expect("a pipeline"), &host).expect("a plan");
    assert_eq!(names(&plan), ["other/a", "acme/a", "other/trim-lines"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan.explanation()[..2]).expect("JSON"), @r#"
    [
      {
        "position": 1,
        "name": "other/a",
        "kind": "annotate",
        "stage": "annotate",
        "runtime": "python",
        "distribution": "other 1.0",
        "reasons": [
          "Its stage is `annotate`.",
          "`other/a` runs before `acme/a`: `acme/a` (acme 1.0) asks for the field `language`, which `other/a` (other 1.0) adds."
        ]
      },
      {
        "position": 2,
        "name": "acme/a",
        "kind": "annotate",
        "stage": "annotate",
        "runtime": "python",
        "distribution": "acme 1.0",
        "reasons": [
          "Its stage is `annotate`.",
          "`other/a` runs before `acme/a`: `acme/a` (acme 1.0) asks for the field `language`, which `other/a` (other 1.0) adds."
        ]
      }
    ]
    "#);
    insta::assert_snapshot!(plan.inactive.join("\n"), @r#"`other/trim-lines` (other 1.0) declares `after = ["absent"]`, which is not in the pipeline."#);
}

#[test]
fn errors_point_at_the_line_of_the_file() {
    let host = FakeHost::with(vec![
        Declaration {
            before: vec!["trim-lines".into()],
            ..python("acme/early")
        },
        python("acme/min-words"),
        python("acme/broken"),
        python("other/min-words"),
        adds(python("acme/label"), "body"),
    ]);
    let of = |text: &str| complaint(&from_text(text), &host);
    insta::assert_snapshot!(of("[[step]]\nuse = \"trim-lines\"\n\n[[step]]\nuse = \"min-word\"\n"), @r#"
    pipeline.toml:5:7: No step is called `min-word`. Did you mean `min-words`?
      |
    5 | use = "min-word"
      |       ^^^^^^^^^^
    hint: `text-processor plugins list` shows the steps that can be used.
    "#);
    insta::assert_snapshot!(of("[[step]]\nuse = \"min-words\"\n"), @r#"
    pipeline.toml:2:7: Several distributions offer a step called `min-words`: `acme 1.0` and `other 1.0`.
      |
    2 | use = "min-words"
      |       ^^^^^^^^^^^
    hint: Say which: write `acme/min-words` or `other/min-words`.
    "#);
    insta::assert_snapshot!(of("[[step]]\nuse = \"acme/min-words\"\nwith = { minimum = \"many\" }\n"), @r#"
    pipeline.toml:3:10: Step `acme/min-words`: `minimum` must be a number, not text.
      |
    3 | with = { minimum = "many" }
      |          ^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(of("[[step]]\nuse = \"acme/broken\"\n"), @r#"
    pipeline.toml:2:7: It cannot be imported.
      |
    2 | use = "acme/broken"
      |       ^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(of("[[step]]\nuse = \"trim-lines\"\n[[step]]\nuse = \"early\"\n"), @r#"
    pipeline.toml:2:7: `trim-lines` (step 1) must run after `acme/early` (step 2): `acme/early` (acme 1.0) declares `before = ["trim-lines"]`.
      |
    2 | use = "trim-lines"
      |       ^^^^^^^^^^^^
    hint: List `acme/early` before `trim-lines`, or have the steps sorted with `order = "auto"`.
    "#);
    insta::assert_snapshot!(of("[pipeline]\ntext = \"body\"\n[[step]]\nuse = \"label\"\n"), @r#"
    pipeline.toml:4:7: Step `acme/label` adds the field `body`, but `body` holds the text in this pipeline.
      |
    4 | use = "label"
      |       ^^^^^^^
    hint: Name another field with `text` in `[pipeline]`, or leave the step out.
    "#);
}

#[test]
fn errors_point_into_the_argument_of_the_command() {
    let host = FakeHost::with(vec![python("acme/min-words")]);
    let of = |argument: &str| {
        complaint(
            &Pipeline::from_arguments(&[argument.to_owned()]).expect("a pipeline"),
            &host,
        )
    };
    insta::assert_snapshot!(of("min-words:minimum=many"), @"
    Step `acme/min-words`: `minimum` must be a number, not text.
     |
     | -s min-words:minimum=many
     |              ^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(of("min-wrods"), @"
    No step is called `min-wrods`. Did you mean `min-words`?
     |
     | -s min-wrods
     |    ^^^^^^^^^
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
}

#[test]
fn errors_of_a_program_say_which_step_they_are_about() {
    let host = FakeHost::with(vec![python("acme/min-words")]);
    let mut pipeline = pipeline(&["min-words"]);
    pipeline.steps[0].configuration.insert("minimum".into(), "many".into());
    insta::assert_snapshot!(complaint(&pipeline, &host), @"Step `acme/min-words`: `minimum` must be a number, not text.");
}

#[test]
fn more_steps_than_can_be_numbered_are_refused() {
    let step = PipelineStep::named("trim-lines", Configuration::new());
    let mut pipeline = Pipeline {
        steps: vec![step; Plan::STEP_LIMIT],
        ..Pipeline::default()
    };
    assert!(Plan::new(&pipeline, &NoPlugins).is_ok());
    pipeline
        .steps
        .push(PipelineStep::named("trim-lines", Configuration::new()));
    insta::assert_snapshot!(complaint(&pipeline, &NoPlugins), @"The pipeline has 65001 steps, and at most 65000 are possible.");
}

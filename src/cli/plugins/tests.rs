//! What `plugins` shows, from made-up discoveries.

use super::*;
use crate::record::{Field, FieldType};
use crate::step::{Asked, CalledWith, Kind, Origin, Runtime, Stage};

fn plugin(short_name: &str, distribution: &str, editable: bool) -> Plugin {
    Plugin {
        name: format!("{distribution}/{short_name}"),
        short_name: short_name.into(),
        distribution: distribution.into(),
        version: Some("1.2.0".into()),
        entry_point: format!("{}:process", distribution.replace('-', "_")),
        location: format!("/site-packages/{distribution}-1.2.0.dist-info"),
        editable,
    }
}

fn finding(severity: Severity, message: &str) -> Finding {
    Finding {
        distribution: Some("acme".into()),
        code: "malformed_line".into(),
        severity,
        path: Some("/site-packages/acme-1.dist-info/entry_points.txt".into()),
        line: Some(3),
        message: message.into(),
        hint: Some("Ask its author to write `name = module:attribute`.".into()),
    }
}

fn discovery() -> Discovery {
    Discovery {
        plugins: vec![
            plugin("min-words", "acme-filters", false),
            plugin("reverse", "acme-reverse", true),
            plugin("reverse", "other-reverse", false),
            plugin("trim-lines", "rogue", false),
        ],
        findings: vec![
            finding(Severity::Warning, "The name `x` stands twice."),
            finding(Severity::Error, "The line `oops` has no `=`."),
        ],
        distributions: 213,
    }
}

fn built_in() -> Vec<Declaration> {
    vec![Declaration::built_in(
        "trim-lines",
        Kind::Map,
        Stage::Normalize,
        "Removes white space from both ends of each line.",
    )]
}

fn written(show: impl FnOnce(&mut Stream<'_>) -> Result<()>) -> String {
    let mut written = Vec::new();
    show(&mut Stream::plain(&mut written)).expect("written");
    String::from_utf8(written).expect("UTF-8")
}

#[test]
fn a_list_shows_the_name_to_use() {
    let discovery = discovery();
    let shown = written(|output| show_list(&discovery, &listed(&discovery), &built_in(), output));
    insta::assert_snapshot!(shown, @r"
    plugin                 distribution   version  entry point
    min-words              acme-filters   1.2.0    acme_filters:process
    acme-reverse/reverse   acme-reverse   1.2.0    acme_reverse:process   editable
        Use the full name: several distributions offer the short name.
    other-reverse/reverse  other-reverse  1.2.0    other_reverse:process
        Use the full name: several distributions offer the short name.
    rogue/trim-lines       rogue          1.2.0    rogue:process
        Use the full name: a built-in step has the short name.

    built-in step  kind  stage      what it does
    trim-lines     map   normalize  Removes white space from both ends of each line.

    2 findings: `text-processor plugins doctor` shows what is wrong.
    ");
}

#[test]
fn nothing_installed_is_said_so() {
    let discovery = Discovery {
        distributions: 1,
        ..Discovery::default()
    };
    let shown = written(|output| show_list(&discovery, &[], &built_in(), output));
    insta::assert_snapshot!(shown, @r"
    No plugin is installed; looked at 1 distribution.

    built-in step  kind  stage      what it does
    trim-lines     map   normalize  Removes white space from both ends of each line.
    ");
}

#[test]
fn a_list_as_json_has_this_shape() {
    let mut discovery = discovery();
    discovery.plugins.drain(1..3);
    let answer = ListAnswer {
        plugins: listed(&discovery),
        built_in: built_in(),
        findings: 2,
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).expect("JSON"), @r#"
    {
      "plugins": [
        {
          "use": "min-words",
          "name": "acme-filters/min-words",
          "short_name": "min-words",
          "distribution": "acme-filters",
          "version": "1.2.0",
          "entry_point": "acme_filters:process",
          "location": "/site-packages/acme-filters-1.2.0.dist-info",
          "editable": false
        },
        {
          "use": "rogue/trim-lines",
          "name": "rogue/trim-lines",
          "short_name": "trim-lines",
          "distribution": "rogue",
          "version": "1.2.0",
          "entry_point": "rogue:process",
          "location": "/site-packages/rogue-1.2.0.dist-info",
          "editable": false,
          "clash": "a built-in step has the short name"
        }
      ],
      "built_in": [
        {
          "name": "trim-lines",
          "kind": "map",
          "stage": "normalize",
          "before": [],
          "after": [],
          "requires": [],
          "fields": [],
          "asks": [],
          "parameters": [],
          "runtime": "rust",
          "called_with": "text",
          "origin": null,
          "summary": "Removes white space from both ends of each line."
        }
      ],
      "findings": 2
    }
    "#);
}

#[test]
fn a_declaration_shows_what_there_is() {
    let plugin = plugin("min-words", "acme-filters", true);
    let declaration = Declaration {
        name: plugin.name.clone(),
        kind: Kind::Filter,
        stage: Stage::Filter,
        before: Vec::new(),
        after: vec!["trim-lines".into()],
        requires: Vec::new(),
        fields: vec![Field {
            name: "words".into(),
            r#type: FieldType::Integer,
        }],
        asks: vec![
            Asked {
                name: "language".into(),
                required: true,
            },
            Asked {
                name: "source".into(),
                required: false,
            },
        ],
        parameters: vec![
            Parameter {
                name: "minimum".into(),
                r#type: "integer".into(),
                default: Some(50.into()),
                description: "How few words a record may have before it is dropped.".into(),
            },
            Parameter {
                name: "unit".into(),
                r#type: "str".into(),
                default: None,
                description: String::new(),
            },
        ],
        runtime: Runtime::Python,
        called_with: CalledWith::List,
        origin: Some(Origin {
            distribution: "acme-filters".into(),
            version: None,
            entry_point: "acme_filters:process".into(),
        }),
        summary: "Drop records with fewer than `minimum` words.".into(),
    };
    let shown = written(|output| show_declaration(&declaration, Some(&plugin), output));
    insta::assert_snapshot!(shown, @r"
    acme-filters/min-words
    Drop records with fewer than `minimum` words.

    kind         filter
    stage        filter
    runtime      Python
    called with  lists of texts
    from         acme-filters 1.2.0, editable
    entry point  acme_filters:process
    location     /site-packages/acme-filters-1.2.0.dist-info
    after        trim-lines
    adds         words (integer)
    asks for     language, source (if it is there)

    parameter  type     default        what it does
    minimum    integer  50             How few words a record may have before it is
                                       dropped.
    unit       str      must be given
    ");
}

#[test]
fn a_built_in_step_without_parameters_says_so() {
    let declaration = Declaration::built_in(
        "trim",
        Kind::Map,
        Stage::Normalize,
        "Removes white space from both ends.",
    );
    let shown = written(|output| show_declaration(&declaration, None, output));
    insta::assert_snapshot!(shown, @r"
    trim
    Removes white space from both ends.

    kind     map
    stage    normalize
    runtime  Rust
    from     text-processor (built in)

    It has no parameters.
    ");
}

#[test]
fn the_doctor_tells_errors_first() {
    let discovery = discovery();
    insta::assert_snapshot!(written(|output| show_findings(&discovery, output)), @r"
    Looked at 213 distributions and found 4 plugins, 1 error and 1 warning.

    error: /site-packages/acme-1.dist-info/entry_points.txt:3: The line `oops` has no `=`. [malformed_line]
    hint: Ask its author to write `name = module:attribute`.

    warning: /site-packages/acme-1.dist-info/entry_points.txt:3: The name `x` stands twice. [malformed_line]
    hint: Ask its author to write `name = module:attribute`.
    ");
}

#[test]
fn the_doctor_is_content_with_clean_packages() {
    let discovery = Discovery {
        distributions: 213,
        ..Discovery::default()
    };
    assert_eq!(
        written(|output| show_findings(&discovery, output)),
        "Looked at 213 distributions and found 0 plugins. Nothing is wrong with them.\n"
    );
}

#[test]
fn metadata_cannot_forge_a_finding() {
    let mut discovery = discovery();
    discovery.plugins.clear();
    discovery.findings.truncate(1);
    discovery.findings[0].message = "bad\u{1b}[2J\nerror: forged".into();
    discovery.findings[0].path = Some("/a\nerror: forged".into());
    let shown = written(|output| show_findings(&discovery, output));
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(!shown.lines().any(|line| line.starts_with("error:")), "{shown}");
}

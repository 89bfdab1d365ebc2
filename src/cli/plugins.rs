//! `text-processor plugins`: what is installed, what it declares, and what is wrong with it.

use super::Shell;
use super::console::{Console, Stream};
use super::explain::runtime;
use super::numbers::counted;
use super::style::{Tone, lines, one_line, wrap};
use super::table::{Align, Cell, Table};
use crate::error::Result;
use crate::plugins::{self, Discovery, Finding, Plugin, Resolved, Severity, fold};
use crate::step::{CalledWith, Declaration, Parameter};
use crate::steps::{self, REGISTER};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The exit code of `doctor` when a finding is an error: the same as when such a plugin is used.
const UNUSABLE: u8 = 7;

/// Lists the installed plugins and the built-in steps. Imports nothing.
pub(super) fn list(json: bool, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let discovery = shell.host().discover()?;
    let listed = listed(&discovery);
    let built_in: Vec<Declaration> = REGISTER.iter().map(|step| (step.declare)()).collect();
    if json {
        let findings = discovery.findings.len();
        console.output.json(&ListAnswer {
            plugins: listed,
            built_in,
            findings,
        })?;
    } else {
        show_list(&discovery, &listed, &built_in, &mut console.output)?;
    }
    Ok(0)
}

#[derive(Serialize)]
struct ListAnswer<'d> {
    plugins: Vec<Listed<'d>>,
    built_in: Vec<Declaration>,
    findings: usize,
}

/// A plugin with the name that a pipeline must use for it.
#[derive(Serialize)]
struct Listed<'d> {
    /// The short name where it stands for nothing else, else the canonical one.
    #[serde(rename = "use")]
    usable_name: &'d str,
    #[serde(flatten)]
    plugin: &'d Plugin,
    /// Why the short name cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    clash: Option<&'static str>,
}

fn listed(discovery: &Discovery) -> Vec<Listed<'_>> {
    let mut offers: HashMap<String, usize> = HashMap::new();
    for plugin in &discovery.plugins {
        *offers.entry(fold(&plugin.short_name)).or_default() += 1;
    }
    let listed = discovery.plugins.iter().map(|plugin| {
        let short = fold(&plugin.short_name);
        let clash = if steps::built_in(&short).is_some() {
            Some("a built-in step has the short name")
        } else if offers[&short] > 1 {
            Some("several distributions offer the short name")
        } else {
            None
        };
        Listed {
            usable_name: if clash.is_some() {
                &plugin.name
            } else {
                &plugin.short_name
            },
            plugin,
            clash,
        }
    });
    listed.collect()
}

fn show_list(
    discovery: &Discovery,
    plugins: &[Listed<'_>],
    built_in: &[Declaration],
    output: &mut Stream<'_>,
) -> Result<()> {
    if plugins.is_empty() {
        let looked = counted(discovery.distributions as u64, "distribution");
        output.line(&format!("No plugin is installed; looked at {looked}."))?;
    } else {
        let mut table = Table::new(&[
            ("plugin", Align::Left),
            ("distribution", Align::Left),
            ("version", Align::Left),
            ("entry point", Align::Left),
            ("", Align::Left),
        ]);
        for Listed {
            usable_name,
            plugin,
            clash,
        } in plugins
        {
            table.row([
                Cell::toned(Tone::Strong, usable_name),
                plugin.distribution.as_str().into(),
                plugin.version.as_deref().unwrap_or("?").into(),
                plugin.entry_point.as_str().into(),
                if plugin.editable { "editable" } else { "" }.into(),
            ]);
            if let Some(clash) = clash {
                table.note(&format!("Use the full name: {clash}."));
            }
        }
        output.write(&table.render(output.width, output.paint))?;
    }
    let mut table = Table::new(&[
        ("built-in step", Align::Left),
        ("kind", Align::Left),
        ("stage", Align::Left),
        ("what it does", Align::Left),
    ]);
    for declaration in built_in {
        table.row([
            Cell::toned(Tone::Strong, &declaration.name),
            declaration.kind.name().into(),
            declaration.stage.name().into(),
            declaration.summary.as_str().into(),
        ]);
    }
    output.line("")?;
    output.write(&table.render(output.width, output.paint))?;
    if !discovery.findings.is_empty() {
        let findings = counted(discovery.findings.len() as u64, "finding");
        output.line(&format!(
            "\n{findings}: `text-processor plugins doctor` shows what is wrong."
        ))?;
    }
    Ok(())
}

/// Shows what one step declares. Of plugins, only this one is imported.
pub(super) fn show(name: &str, json: bool, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let host = shell.host();
    let (declaration, plugin) = match plugins::resolve(name, host)? {
        Resolved::BuiltIn(step) => ((step.declare)(), None),
        Resolved::Plugin(plugin) => (host.describe(&plugin)?, Some(plugin)),
    };
    if json {
        console.output.json(&ShowAnswer {
            declaration: &declaration,
            plugin: plugin.as_ref(),
        })?;
    } else {
        show_declaration(&declaration, plugin.as_ref(), &mut console.output)?;
    }
    Ok(0)
}

#[derive(Serialize)]
struct ShowAnswer<'d> {
    #[serde(flatten)]
    declaration: &'d Declaration,
    plugin: Option<&'d Plugin>,
}

fn show_declaration(declaration: &Declaration, plugin: Option<&Plugin>, output: &mut Stream<'_>) -> Result<()> {
    let name = one_line(&declaration.name).into_owned();
    let title = output.painted(Tone::Strong, &name).into_owned();
    output.line(&title)?;
    for line in wrap(&one_line(&declaration.summary), output.width) {
        output.line(&line)?;
    }
    let join = |names: &[String]| names.join(", ");
    let mut adds = Vec::new();
    for field in &declaration.fields {
        let r#type = serde_json::to_value(field.r#type).unwrap_or_default();
        adds.push(format!("{} ({})", field.name, r#type.as_str().unwrap_or("?")));
    }
    let asks = declaration.asks.iter().map(|asked| {
        let note = if asked.required { "" } else { " (if it is there)" };
        format!("{}{note}", asked.name)
    });
    let from = plugin.map_or_else(
        || "text-processor (built in)".to_owned(),
        |plugin| {
            let version = plugin.version.as_deref().unwrap_or("(version unknown)");
            let editable = if plugin.editable { ", editable" } else { "" };
            format!("{} {version}{editable}", plugin.distribution)
        },
    );
    let rows = [
        ("kind", declaration.kind.name().to_owned()),
        ("stage", declaration.stage.name().to_owned()),
        ("runtime", runtime(declaration.runtime).to_owned()),
        ("called with", called_with(declaration.called_with).to_owned()),
        ("from", from),
        (
            "entry point",
            plugin.map(|plugin| plugin.entry_point.clone()).unwrap_or_default(),
        ),
        (
            "location",
            plugin.map(|plugin| plugin.location.clone()).unwrap_or_default(),
        ),
        ("before", join(&declaration.before)),
        ("after", join(&declaration.after)),
        ("requires", join(&declaration.requires)),
        ("adds", join(&adds)),
        ("asks for", asks.collect::<Vec<_>>().join(", ")),
    ];
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    for (label, value) in rows {
        if !value.is_empty() {
            table.row([Cell::toned(Tone::Faint, label), value.into()]);
        }
    }
    output.line("")?;
    output.write(&table.render(output.width, output.paint))?;
    output.line("")?;
    if declaration.parameters.is_empty() {
        return output.line("It has no parameters.");
    }
    output.write(&parameters(&declaration.parameters).render(output.width, output.paint))
}

/// What a step is called with, in words; none where it is what everybody expects.
fn called_with(what: CalledWith) -> &'static str {
    match what {
        CalledWith::Text => "",
        CalledWith::List => "lists of texts",
        CalledWith::Arrow => "Arrow arrays of texts",
    }
}

fn parameters(parameters: &[Parameter]) -> Table {
    let mut table = Table::new(&[
        ("parameter", Align::Left),
        ("type", Align::Left),
        ("default", Align::Left),
        ("what it does", Align::Left),
    ]);
    for parameter in parameters {
        let default = match &parameter.default {
            Some(serde_json::Value::Null) => "none".into(),
            Some(value) => value.to_string().into(),
            None => Cell::toned(Tone::Warning, "must be given"),
        };
        table.row([
            Cell::toned(Tone::Strong, &parameter.name),
            parameter.r#type.as_str().into(),
            default,
            parameter.description.as_str().into(),
        ]);
    }
    table
}

/// Tells what is wrong with what is installed. Imports nothing.
pub(super) fn doctor(json: bool, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let discovery = shell.host().discover()?;
    let errors = severe(&discovery, Severity::Error);
    if json {
        console.output.json(&DoctorAnswer {
            distributions: discovery.distributions,
            plugins: discovery.plugins.len(),
            findings: &discovery.findings,
        })?;
    } else {
        show_findings(&discovery, &mut console.output)?;
    }
    Ok(if errors > 0 { UNUSABLE } else { 0 })
}

#[derive(Serialize)]
struct DoctorAnswer<'d> {
    distributions: usize,
    plugins: usize,
    findings: &'d [Finding],
}

fn severe(discovery: &Discovery, severity: Severity) -> u64 {
    let findings = discovery.findings.iter();
    findings.filter(|finding| finding.severity == severity).count() as u64
}

fn show_findings(discovery: &Discovery, output: &mut Stream<'_>) -> Result<()> {
    let (errors, warnings) = (severe(discovery, Severity::Error), severe(discovery, Severity::Warning));
    let looked = format!(
        "Looked at {} and found {}",
        counted(discovery.distributions as u64, "distribution"),
        counted(discovery.plugins.len() as u64, "plugin"),
    );
    if discovery.findings.is_empty() {
        return output.line(&format!("{looked}. Nothing is wrong with them."));
    }
    output.line(&format!(
        "{looked}, {} and {}.",
        counted(errors, "error"),
        counted(warnings, "warning")
    ))?;
    let mut findings: Vec<&Finding> = discovery.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        let told = tell_finding(finding, output);
        output.write(&told)?;
    }
    Ok(())
}

fn tell_finding(finding: &Finding, output: &Stream<'_>) -> String {
    let (tone, word) = match finding.severity {
        Severity::Error => (Tone::Bad, "error:"),
        Severity::Warning => (Tone::Warning, "warning:"),
    };
    let mut place = String::new();
    if let Some(path) = &finding.path {
        let _ = write!(place, "{}:", one_line(path));
        if let Some(line) = finding.line {
            let _ = write!(place, "{line}:");
        }
        place.push(' ');
    }
    let mut told = format!(
        "\n{} {place}{} [{}]\n",
        output.painted(tone, word),
        lines(&finding.message).replace('\n', "\n  "),
        one_line(&finding.code)
    );
    if let Some(hint) = &finding.hint {
        let hint = lines(hint).replace('\n', "\n  ");
        let _ = writeln!(told, "{} {hint}", output.painted(Tone::Hint, "hint:"));
    }
    told
}

#[cfg(test)]
mod tests;

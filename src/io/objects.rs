//! Writes JSON Lines from plain text: an object per text, with an identity that names the input and the record.

use super::splice::{AddedField, added_fields};
use super::{Encoder, Input, LastLine, Layout};
use crate::batch::{Batch, State};
use crate::record::{Value, json_string::write_json_string_body, write_json_string};

/// Writes `{"id":"<input>:<ordinal>","text":"…"}` and the fields that steps added.
#[derive(Debug)]
pub(super) struct ObjectEncoder {
    /// For each input, everything up to the ordinal.
    openings: Vec<Vec<u8>>,
    /// From the end of the ordinal to the text.
    text_key: Vec<u8>,
    added: Vec<AddedField>,
}

impl ObjectEncoder {
    pub(super) fn new(layout: &Layout, inputs: &[Input]) -> Self {
        let openings = inputs.iter().map(|input| {
            let mut opening = b"{".to_vec();
            write_json_string(&layout.id, &mut opening);
            opening.extend_from_slice(b":\"");
            write_json_string_body(&input.name, &mut opening);
            opening.push(b':');
            opening
        });
        let mut text_key = b"\",".to_vec();
        write_json_string(&layout.text, &mut text_key);
        text_key.push(b':');
        Self {
            openings: openings.collect(),
            text_key,
            added: added_fields(layout),
        }
    }
}

impl Encoder for ObjectEncoder {
    fn check(&self, _batch: &mut Batch) {}

    fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine {
        use std::io::Write as _;
        let opening = &self.openings[batch.input as usize];
        let mut last = LastLine::Nothing;
        for (index, row) in batch.rows.iter().enumerate() {
            if row.state != State::Live {
                continue;
            }
            out.extend_from_slice(opening);
            let ordinal = batch.sources[row.source as usize].ordinal;
            // Writing to memory does not fail.
            let _ = write!(out, "{ordinal}");
            out.extend_from_slice(&self.text_key);
            batch.text(row.text).write_json(out);
            for field in &self.added {
                let value = batch.field(field.number, index);
                if *value != Value::Missing {
                    out.push(b',');
                    out.extend_from_slice(&field.key);
                    out.push(b':');
                    value.write_json(out);
                }
            }
            out.extend_from_slice(b"}\n");
            last = LastLine::Terminated;
        }
        last
    }
}

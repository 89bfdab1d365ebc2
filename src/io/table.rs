//! Reads tables that are in memory already: a record per row.

use super::Source;
use crate::batch::Batch;
use crate::columns::ColumnDecoder;
use crate::error::Result;
use arrow_array::RecordBatch;

/// The most records of a batch. Consecutive Python steps hand their texts along, and so many stay in the cache.
const MOST_RECORDS: usize = 8192;

/// Reads tables of one schema, one after the other, without copying anything.
pub struct TableSource {
    tables: Vec<RecordBatch>,
    decoder: ColumnDecoder,
    /// The table that is being read, and its next row.
    table: usize,
    row: usize,
    ordinal: u64,
    bytes: u64,
}

impl TableSource {
    /// A source of these tables, whose batches the decoder is to decode. Their first record has this number.
    #[must_use]
    pub fn new(tables: Vec<RecordBatch>, decoder: ColumnDecoder, first: u64) -> Self {
        Self {
            tables,
            decoder,
            table: 0,
            row: 0,
            ordinal: first,
            bytes: 0,
        }
    }
}

impl Source for TableSource {
    fn fill(&mut self, batch: &mut Batch, size: usize, until: u64) -> Result<bool> {
        let table = loop {
            let Some(table) = self.tables.get(self.table) else {
                return Ok(false);
            };
            if self.row < table.num_rows() {
                break table;
            }
            self.table += 1;
            self.row = 0;
        };
        let part = self.decoder.cut(table, self.row, size, until, MOST_RECORDS);
        batch.first_ordinal = self.ordinal;
        batch.first_offset = self.ordinal;
        batch.loaded = part.bytes;
        batch.columns = Some(table.slice(self.row, part.rows));
        self.row += part.rows;
        self.ordinal += part.rows as u64;
        self.bytes += part.bytes as u64;
        Ok(true)
    }

    fn next(&self) -> (u64, u64) {
        (self.ordinal, self.ordinal)
    }

    fn held(&self) -> usize {
        0
    }

    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }

    fn position(&self) -> u64 {
        self.bytes
    }

    fn total(&self) -> Option<u64> {
        None
    }
}

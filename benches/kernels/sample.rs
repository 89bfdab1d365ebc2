//! The texts that kernels are measured with, made in memory: the same ones in each run, on each machine.

use divan::counter::BytesCount;
use std::fmt;
use std::fmt::Write;
use text_processor::record::write_json_string;

/// How many bytes of JSON Lines make a batch.
const BATCH_BYTES: usize = 256 << 10;

/// A kind of text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sample {
    /// English prose that no cleaning step changes.
    Clean,
    /// Indented code: many line ends, runs of white space, and quotes and backslashes that JSON escapes.
    Code,
    /// German: ASCII but for some letters of two bytes.
    German,
    /// Russian: letters of two bytes.
    Russian,
    /// Chinese: characters of three bytes.
    Chinese,
    /// English with typographic quotes, emoji, combining accents and control characters.
    Mixed,
    /// A log with addresses in it.
    Addresses,
}

/// Every kind.
pub(crate) const SAMPLES: [Sample; 7] = [
    Sample::Clean,
    Sample::Code,
    Sample::German,
    Sample::Russian,
    Sample::Chinese,
    Sample::Mixed,
    Sample::Addresses,
];

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{self:?}").to_lowercase();
        formatter.write_str(&name)
    }
}

impl Sample {
    /// Sentences or lines of this kind, each with what follows it.
    fn pieces(self) -> &'static [&'static str] {
        match self {
            Self::Clean => &[
                "The reader cuts its input at line ends only, so that one thread can feed many. ",
                "Nothing is lost, and nothing is doubled: every run proves it. ",
                "Whoever wants to know why may ask; the answer is a sentence.\n",
                "A short one. ",
            ],
            Self::Code => &[
                "    for line in text.splitlines():\n",
                "        if line.startswith(\"#\\t\"):\n\n",
                "\t\tprintf(\"%d\\n\", counter);   \n",
                "    }\n\n\n\n",
            ],
            Self::German => &[
                "Über den Wäldern lag früh am Morgen noch dünner Nebel. ",
                "Die Größe der Datei hängt davon ab, wie häufig ein Wort vorkommt.\n",
                "Das ist ein Satz ohne besondere Buchstaben. ",
            ],
            Self::Russian => &[
                "Каждая запись заканчивается ровно один раз. ",
                "Ничего не теряется, и ничто не удваивается,\n",
                "и каждый запуск это доказывает. ",
            ],
            Self::Chinese => &[
                "每条记录只结束一次,不会丢失,也不会重复。",
                "程序按顺序读取文本,清洗之后写出。\n",
                "这是一个短句。",
            ],
            Self::Mixed => &[
                "\u{201c}Quotes\u{201d} \u{2014} and dashes \u{2026} of books. ",
                "Smile \u{1f600}  twice  \u{1f680}.\u{a0}\n \n",
                "Cafe\u{301} and a\u{30a}ngstro\u{308}m, decomposed. ",
                "A bell\u{7}\u{b} and\ta tab.\r\n",
            ],
            Self::Addresses => &[
                "2026-11-23 07:02:48 GET /index.html 200 12 ms from 192.168.0.17\n",
                "reply to <someone.else+list@mail.example.org>, version 1.2.3 of 10 files\n",
                "nothing to see here, 1024 bytes in 3 parts at 12:30\n",
                "connection from 10.0.0.256 refused by admin@localhost\n",
            ],
        }
    }

    /// Texts of 200 bytes to 8 kB, most of them short, a batch of them.
    pub(crate) fn texts(self) -> Vec<String> {
        let mut random = Random(0x5eed);
        let mut texts = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let length = 200 << random.below(6);
            let mut text = String::new();
            while text.len() < length {
                let pieces = self.pieces();
                text.push_str(pieces[random.below(pieces.len())]);
            }
            bytes += text.len();
            texts.push(text);
        }
        texts
    }

    /// The texts as JSON Lines, with fields around them.
    pub(crate) fn json_lines(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, text) in self.texts().iter().enumerate() {
            let mut start = String::new();
            let _ = write!(start, r#"{{"id": "{number:07}", "score": {number}.5, "text": "#);
            bytes.extend_from_slice(start.as_bytes());
            write_json_string(text, &mut bytes);
            bytes.extend_from_slice(b", \"tags\": [\"sample\", null]}\n");
        }
        bytes
    }

    /// How many bytes the texts have.
    pub(crate) fn bytes(self) -> BytesCount {
        BytesCount::new(self.texts().iter().map(String::len).sum::<usize>())
    }
}

/// Numbers that look random, by the generator of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

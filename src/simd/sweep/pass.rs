//! One pass over one text: how far it is, and what it has written.

use super::decide::decide;
use super::{Kernel, READABLE, Roles, SLACK, WIDTH, Window, first_bits};
use std::ops::Range;

/// A pass over a text. It writes nothing before something changes: until then, what stays is a range of the text.
pub(crate) struct Pass<'t, 'o> {
    text: &'t str,
    /// Where what stays begins: what is before it goes.
    start: usize,
    /// What is before this byte is decided. It is the first byte of a character.
    at: usize,
    out: &'o mut String,
    changed: bool,
    /// Whether what stays holds slashes with a backslash.
    slashes: bool,
}

impl<'t, 'o> Pass<'t, 'o> {
    /// A pass that appends to `out` if it must. What is before `start` goes.
    pub(crate) fn new(text: &'t str, start: usize, out: &'o mut String) -> Self {
        Self {
            text,
            start,
            at: start,
            out,
            changed: false,
            slashes: false,
        }
    }

    /// How far it is.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Passes over so many bytes, which stay.
    pub(crate) fn keep(&mut self, length: usize) {
        if self.changed {
            self.out.push_str(&self.text[self.at..self.at + length]);
        }
        self.at += length;
    }

    /// Passes over a slash that is spelled with a backslash: it stays, and loses this where the text changes.
    pub(crate) fn keep_slash(&mut self) {
        if self.changed {
            self.out.push('/');
        }
        self.slashes = true;
        self.at += 2;
    }

    /// Passes over so many bytes, in whose place `new` is written `count` times: no more bytes than they are.
    pub(crate) fn replace(&mut self, length: usize, new: &str, count: usize) {
        debug_assert!(new.len() * count <= length);
        self.begin();
        for _ in 0..count {
            self.out.push_str(new);
        }
        self.at += length;
    }

    /// Ends the pass. `end` is where what stays of the text ends, if nothing has been written. Returns the range of the text
    /// that stays, or `None` if the new text was written.
    pub(crate) fn finish(mut self, end: usize) -> Option<Range<usize>> {
        if !self.changed && self.slashes && (self.start > 0 || end < self.text.len()) {
            self.at = end;
            self.begin();
        }
        (!self.changed).then_some(self.start..end)
    }

    /// Starts to write, with what was only kept until now.
    #[inline(never)]
    fn begin(&mut self) {
        if self.changed {
            return;
        }
        self.changed = true;
        self.out.reserve(self.text.len() - self.start + WIDTH + SLACK);
        let kept = &self.text[self.start..self.at];
        if self.slashes {
            write_without_backslashes(kept, self.out);
        } else {
            self.out.push_str(kept);
        }
    }

    /// Moves on to the next byte that cannot be decided in a window, or to the end of the text.
    #[expect(
        unsafe_code,
        reason = "windows are written to spare capacity, more bytes than are kept"
    )]
    #[inline(always)]
    pub(super) fn stretch<K: Kernel, const JSON: bool>(&mut self, kernel: K, roles: &Roles) {
        let bytes = self.text.as_bytes();
        if self.changed {
            self.reserve();
        }
        let mut written = 0;
        let blocked = self.windows::<K, JSON>(kernel, roles, bytes, 0, bytes.len(), &mut written);
        if !blocked && self.at < bytes.len() {
            // Fewer bytes are left than must be readable: they move to where more can be read.
            if !self.changed {
                self.at = self.boundary_at_or_before(self.at);
            }
            let rest = &bytes[self.at..];
            let mut padded = [0; 2 * READABLE + 8];
            padded[..rest.len()].copy_from_slice(rest);
            self.windows::<K, JSON>(kernel, roles, &padded, self.at, rest.len(), &mut written);
        }
        debug_assert!(self.text.is_char_boundary(self.at));
        // SAFETY: So many bytes were written behind the text. They are UTF-8: all characters of the text from one
        // boundary to another, but for some that were left out or replaced by spaces.
        unsafe {
            let out = self.out.as_mut_vec();
            out.set_len(out.len() + written);
        }
    }

    /// Decides windows of `bytes`, the first of which is byte `base` of the text, as long as they can be read and lie before
    /// `end`. Returns whether there was one that cannot be decided. `written` bytes stand behind the new text.
    #[expect(
        unsafe_code,
        reason = "windows are written to spare capacity, more bytes than are kept"
    )]
    #[inline(always)]
    fn windows<K: Kernel, const JSON: bool>(
        &mut self,
        kernel: K,
        roles: &Roles,
        bytes: &[u8],
        base: usize,
        end: usize,
        written: &mut usize,
    ) -> bool {
        let mut at = self.at - base;
        let mut blocked = false;
        let mut to = self.spare();
        while at < end {
            let Some(window) = bytes[at..].first_chunk::<READABLE>() else {
                break;
            };
            let window: &Window = window;
            let valid = first_bits((end - at).min(WIDTH) as u32);
            let loaded = kernel.load(window);
            let decision = decide::<K, JSON>(kernel, loaded, window, roles, valid);
            if decision.length == 0 {
                blocked = true;
                break;
            }
            if !self.changed {
                if !decision.changed {
                    self.slashes |= decision.slashes;
                    at += decision.length as usize;
                    continue;
                }
                // The window may begin inside a character, and what is kept before it must not end there.
                self.at = self.boundary_at_or_before(base + at);
                self.begin();
                to = self.spare();
                at = self.at - base;
                continue;
            }
            // SAFETY: `reserve` made room for every byte of the text that was not decided then, and beyond that for a
            // window and its slack; no more bytes were written than were decided since.
            unsafe {
                kernel.write(loaded, window, decision.keep, decision.spaces, to.add(*written));
            }
            *written += decision.keep.count_ones() as usize;
            at += decision.length as usize;
        }
        self.at = base + at;
        blocked
    }

    /// Where the character begins that byte `at` belongs to.
    fn boundary_at_or_before(&self, mut at: usize) -> usize {
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Makes room for all that may still be written.
    fn reserve(&mut self) {
        self.out.reserve(self.text.len() - self.at + WIDTH + SLACK);
    }

    /// Where the next byte is written.
    #[expect(unsafe_code, reason = "windows are written to spare capacity")]
    #[inline(always)]
    fn spare(&mut self) -> *mut u8 {
        // SAFETY: The text is not changed; only its spare capacity is handed out.
        unsafe { self.out.as_mut_vec().spare_capacity_mut().as_mut_ptr().cast() }
    }
}

/// Appends a part of the inside of a JSON string with each `\/` as a plain slash.
fn write_without_backslashes(spelled: &str, out: &mut String) {
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &spelled.as_bytes()[from..]) {
        let backslash = from + found;
        if spelled.as_bytes().get(backslash + 1) == Some(&b'/') {
            out.push_str(&spelled[kept..backslash]);
            kept = backslash + 1;
        }
        from = (backslash + 2).min(spelled.len());
    }
    out.push_str(&spelled[kept..]);
}

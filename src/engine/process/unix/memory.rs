//! The memory that the engine and one worker share: a page of cells, and behind it the areas in which batches travel.
//!
//! An area belongs to one side at a time: a doorbell (see `channel`) hands it over. A worker is not trusted to keep to
//! that, so what it wrote is copied out first and looked at afterwards, and no reference into the memory is ever made.

use rustix::fs::ftruncate;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;

/// Where the areas begin: behind one page of cells.
const CELLS: usize = 4096;

/// How far apart the cells are: each has a cache line of its own.
const CELL: usize = 64;

/// Memory that two processes share.
#[derive(Debug)]
pub(super) struct SharedMemory {
    map: memmap2::MmapRaw,
}

impl SharedMemory {
    /// Makes memory with areas of so many bytes in all, and the descriptor by which another process can open it.
    pub(super) fn create(areas: usize) -> io::Result<(OwnedFd, Self)> {
        let file = anonymous_file()?;
        ftruncate(&file, (CELLS + areas) as u64)?;
        seal(&file)?;
        let file = File::from(file);
        let map = memmap2::MmapRaw::map_raw(&file)?;
        Ok((file.into(), Self { map }))
    }

    /// Opens the memory that another process made.
    pub(super) fn open(descriptor: OwnedFd) -> io::Result<Self> {
        let map = memmap2::MmapRaw::map_raw(&File::from(descriptor))?;
        if map.len() < CELLS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { map })
    }

    /// A cell that both sides can read and write at any time.
    ///
    /// # Panics
    /// If there are not so many.
    #[expect(
        unsafe_code,
        reason = "a cell that another process writes can only be had from a pointer"
    )]
    pub(super) fn cell(&self, index: usize) -> &AtomicU64 {
        let offset = index * CELL;
        assert!(offset + CELL <= CELLS, "there are fewer cells");
        // SAFETY: The cell lies within the mapping, which is as long as `self` lives; mappings begin at a page and cells at
        // multiples of 64 bytes, so it is aligned. Nothing but atomic accesses is ever made to the page of cells.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(offset).cast()) }
    }

    /// How many bytes the areas have.
    pub(super) fn len(&self) -> usize {
        self.map.len() - CELLS
    }

    /// Copies bytes into the areas.
    ///
    /// # Panics
    /// If they do not fit.
    #[expect(unsafe_code, reason = "memory that another process can write must not be borrowed")]
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset <= self.len() && bytes.len() <= self.len() - offset,
            "the bytes do not fit"
        );
        // SAFETY: The range was just checked to lie in the mapping, and `bytes`, which lies in memory of this process alone,
        // cannot overlap it. While this side owns the area the other does not touch it; if a faulty worker does all the
        // same, bytes are garbled, which whoever copies them out expects.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(CELLS + offset), bytes.len());
        }
    }

    /// Copies bytes out of the areas to the end of `bytes`.
    ///
    /// # Panics
    /// If the range does not lie in the areas.
    #[expect(unsafe_code, reason = "memory that another process can write must not be borrowed")]
    pub(super) fn read(&self, range: Range<usize>, bytes: &mut Vec<u8>) {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "the range does not lie in the areas"
        );
        let length = range.len();
        bytes.reserve(length);
        let end = bytes.len();
        // SAFETY: The source lies in the mapping, as was just checked. The target is `length` bytes of reserved capacity,
        // which are initialised by the copy before the length covers them. Any bit pattern is a valid byte, so a faulty
        // worker that writes meanwhile can only change what is read.
        unsafe {
            let source = self.map.as_mut_ptr().add(CELLS + range.start);
            std::ptr::copy_nonoverlapping(source, bytes.as_mut_ptr().add(end), length);
            bytes.set_len(end + length);
        }
    }
}

/// A file that has no name and lies in memory.
pub(super) fn anonymous_file() -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{MemfdFlags, memfd_create};
        Ok(memfd_create(
            "text-processor",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?)
    }
    #[cfg(not(target_os = "linux"))]
    Ok(tempfile::tempfile()?.into())
}

/// Fixes the size of the memory, so that no worker can take it away from under the engine.
#[cfg_attr(
    not(target_os = "linux"),
    expect(clippy::unnecessary_wraps, unused_variables, reason = "only Linux has seals")
)]
fn seal(file: &OwnedFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{SealFlags, fcntl_add_seals};
        fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn two_mappings_are_one_memory() {
        let (descriptor, ours) = SharedMemory::create(100).expect("memory");
        let theirs = SharedMemory::open(descriptor).expect("memory");
        ours.write(7, b"batch");
        let mut bytes = b"a ".to_vec();
        theirs.read(7..12, &mut bytes);
        assert_eq!(bytes, b"a batch");
        theirs.cell(3).store(42, Ordering::Relaxed);
        assert_eq!(ours.cell(3).load(Ordering::Relaxed), 42);
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn nothing_is_written_beyond_the_end() {
        let (_descriptor, memory) = SharedMemory::create(10).expect("memory");
        memory.write(6, b"batch");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_worker_cannot_take_the_memory_away() {
        let (descriptor, _memory) = SharedMemory::create(10).expect("memory");
        assert!(ftruncate(&descriptor, 0).is_err());
    }
}

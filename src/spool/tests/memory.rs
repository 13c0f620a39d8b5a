//! A file system in memory that is worse than any real one: it fails on demand, dies in the middle of a write,
//! and after a loss of power has kept any part of the unsynced data.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use crate::spool::disk::{Disk, DiskFile};

const BLOCK_BYTES: usize = 512;

/// The fault of the next calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskFault {
    /// The next write takes only so many bytes; there is room for the rest.
    Short(usize),
    /// The next write takes only so many bytes, and the one after finds the disk full.
    Full(usize),
    /// The next write takes only so many bytes; the one after fails with EIO though it takes all, and what it took
    /// cannot be cut off again.
    Broken(usize),
    /// A signal comes in the middle of the next call.
    Interrupted,
    /// The next sync fails.
    Sync,
    /// The process is killed in the `call`-th call that changes something. If that is a write, its first `bytes` bytes
    /// are written.
    Kill { call: u32, bytes: usize },
}

#[derive(Default)]
struct Files {
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    files: Vec<Inode>,
    fault: Option<DiskFault>,
    unreadable: Option<String>,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(super) struct MemoryDisk(Rc<RefCell<Files>>);

pub(super) struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

impl MemoryDisk {
    pub(super) fn fail(&self, fault: DiskFault) {
        self.0.borrow_mut().fault = Some(fault);
    }

    /// From now on this file can be opened and not read.
    pub(super) fn make_unreadable(&self, name: &str) {
        self.0.borrow_mut().unreadable = Some(name.to_owned());
    }

    /// The process is gone, the disk is as it was.
    pub(super) fn end_process(&self) {
        self.0.borrow_mut().fault = None;
    }

    /// Unsynced names and blocks are there or not, name by name and block by block, as the dice fall.
    pub(super) fn lose_power(&self, mut die: impl FnMut() -> bool) {
        let state = &mut *self.0.borrow_mut();
        let mut names = state.synced_names.clone();
        for (name, inode) in &state.names {
            if die() {
                names.insert(name.clone(), *inode);
            }
        }
        names.retain(|name, _| state.names.contains_key(name) || die());
        for file in &mut state.files {
            file.lose_power(&mut die);
        }
        (state.synced_names, state.names, state.fault) = (names.clone(), names, None);
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state.names.get(name).map(|inode| state.files[*inode].bytes.clone())
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let mut file = self.create(name).expect("no fault is set");
        assert_eq!(file.write_at(bytes, 0).expect("no fault is set"), bytes.len());
    }

    /// Everything there is survives a loss of power.
    pub(super) fn settle(&self) {
        let state = &mut *self.0.borrow_mut();
        state.synced_names = state.names.clone();
        for file in &mut state.files {
            file.synced = file.bytes.clone();
        }
    }

    /// Another disk with the same files.
    pub(super) fn copy(&self) -> Self {
        let state = self.0.borrow();
        let (names, files) = (state.names.clone(), state.files.clone());
        Self(Rc::new(RefCell::new(Files { names, files, ..Files::default() })))
    }

    /// Counts down to the end of the process; whether this call is still made, and to the full.
    fn change(&self) -> Result<(), Option<usize>> {
        match &mut self.0.borrow_mut().fault {
            Some(DiskFault::Kill { call: 0, .. }) => Err(None),
            Some(DiskFault::Kill { call, bytes }) => {
                *call -= 1;
                if *call == 0 { Err(Some(*bytes)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn change_whole(&self) -> io::Result<()> {
        self.change().map_err(|_| eio())
    }

    fn file(&self, name: &str) -> io::Result<MemoryFile> {
        let inode = self.0.borrow().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(MemoryFile { disk: self.clone(), inode })
    }
}

impl Inode {
    fn lose_power(&mut self, die: &mut impl FnMut() -> bool) {
        let bytes = if die() { self.bytes.len() } else { self.synced.len() };
        let mut kept = vec![0; bytes];
        for (number, block) in kept.chunks_mut(BLOCK_BYTES).enumerate() {
            let from = if die() { &self.bytes } else { &self.synced };
            let from = from.get(number * BLOCK_BYTES..).unwrap_or_default();
            let common = block.len().min(from.len());
            block[..common].copy_from_slice(&from[..common]);
        }
        (self.synced, self.bytes) = (kept.clone(), kept);
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn path(&self) -> &Path {
        Path::new("/memory")
    }

    fn is_owned(&self) -> bool {
        true
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().names.keys().cloned().collect())
    }

    fn edit(&self, name: &str) -> io::Result<MemoryFile> {
        self.file(name).or_else(|_| {
            self.change_whole()?;
            let mut state = self.0.borrow_mut();
            state.files.push(Inode::default());
            let inode = state.files.len() - 1;
            state.names.insert(name.to_owned(), inode);
            Ok(MemoryFile { disk: self.clone(), inode })
        })
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        self.file(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_whole()?;
        self.0.borrow_mut().names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_whole()?;
        let names = &mut self.0.borrow_mut().names;
        let inode = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.change_whole()?;
        let mut state = self.0.borrow_mut();
        if state.fault == Some(DiskFault::Sync) {
            state.fault = None;
            return Err(eio());
        }
        state.synced_names = state.names.clone();
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.0.borrow().files[self.inode].bytes.len() as u64)
    }

    fn read_at(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.borrow();
        if state.unreadable.as_ref().is_some_and(|name| state.names.get(name) == Some(&self.inode)) {
            return Err(eio());
        }
        let rest = state.files[self.inode].bytes.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let reports_success = self.disk.0.borrow().fault != Some(DiskFault::Broken(0));
        let allowed = match self.disk.change() {
            Ok(()) => self.next_write(bytes.len())?,
            Err(Some(part)) => part,
            Err(None) => return Err(eio()),
        };
        let bytes = &bytes[..bytes.len().min(allowed)];
        let file = &mut self.disk.0.borrow_mut().files[self.inode].bytes;
        let offset = offset as usize;
        file.resize(file.len().max(offset + bytes.len()), 0);
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
        if reports_success { Ok(bytes.len()) } else { Err(eio()) }
    }

    fn set_bytes(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.change_whole()?;
        let mut state = self.disk.0.borrow_mut();
        if let Some(DiskFault::Broken(_)) = state.fault {
            state.fault = None;
            return Err(eio());
        }
        state.files[self.inode].bytes.resize(bytes as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.change_whole()?;
        let mut state = self.disk.0.borrow_mut();
        let fails = state.fault == Some(DiskFault::Sync);
        if fails {
            state.fault = None;
            return Err(eio());
        }
        let file = &mut state.files[self.inode];
        file.synced = file.bytes.clone();
        Ok(())
    }

    fn is_linked(&self) -> bool {
        self.disk.0.borrow().names.values().any(|inode| *inode == self.inode)
    }
}

impl MemoryFile {
    /// How many bytes the next write takes, by the fault that is set.
    fn next_write(&self, bytes: usize) -> io::Result<usize> {
        let fault = &mut self.disk.0.borrow_mut().fault;
        match *fault {
            Some(DiskFault::Short(part)) => {
                *fault = None;
                Ok(part.clamp(1, bytes))
            }
            Some(DiskFault::Interrupted) => {
                *fault = None;
                Err(io::ErrorKind::Interrupted.into())
            }
            Some(DiskFault::Full(0)) => {
                *fault = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(DiskFault::Full(part)) => {
                *fault = Some(DiskFault::Full(part.saturating_sub(bytes)));
                Ok(part.min(bytes))
            }
            // Stays set for the cut that follows.
            Some(DiskFault::Broken(0)) => Ok(bytes),
            Some(DiskFault::Broken(part)) => {
                *fault = Some(DiskFault::Broken(part.saturating_sub(bytes)));
                Ok(part.min(bytes))
            }
            _ => Ok(bytes),
        }
    }
}

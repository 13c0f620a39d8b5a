//! Lines of a file or of stdin, unpacked if they are packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// A longer line is left out, so that memory stays flat.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// The length of the beginning that tells how a log is written.
const HEAD: u64 = 64 * 1024;

/// The lines of one log.
pub(super) struct Input {
    /// The beginning.
    head: Vec<u8>,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

/// One line, without its end.
pub(super) enum NextLine<'a> {
    Line(&'a str),
    /// Why the line cannot be read.
    Unreadable(&'static str),
}

/// `-` is stdin.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory: name the files in it"));
    }
    Ok(Box::new(file))
}

impl Input {
    /// The first bytes tell whether the log is packed by gzip or zstd.
    pub(super) fn new(raw: Box<dyn Read>) -> io::Result<Self> {
        let mut raw = BufReader::new(raw);
        // A pipe may give fewer bytes at first.
        let mut magic = Vec::new();
        raw.by_ref().take(4).read_to_end(&mut magic)?;
        let packed = Cursor::new(magic.clone()).chain(raw);
        let reader: Box<dyn BufRead> = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(BufReader::new(MultiGzDecoder::new(packed))),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Box::new(BufReader::new(ZstdFrames::new(packed)?))
            }
            _ => Box::new(BufReader::new(packed)),
        };
        Self::with_head(reader)
    }

    fn with_head(mut reader: Box<dyn BufRead>) -> io::Result<Self> {
        let mut head = Vec::new();
        // The error of a damaged log comes after its lines.
        let error = reader.by_ref().take(HEAD).read_to_end(&mut head).err();
        let rest: Box<dyn BufRead> = match error {
            Some(error) => Box::new(BufReader::new(Damaged(Some(error)))),
            None => reader,
        };
        let reader = Box::new(Cursor::new(head.clone()).chain(rest));
        Ok(Self { head, reader, line: Vec::new(), number: 0 })
    }

    /// The first 64 KiB.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The number of the last line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<NextLine<'_>>> {
        self.line.clear();
        if self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.len() as u64 == LONGEST_LINE && !self.line.ends_with(b"\n") {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(NextLine::Unreadable("it is longer than 4 MiB")));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        Ok(Some(str::from_utf8(line).map_or(NextLine::Unreadable("it is not UTF-8"), NextLine::Line)))
    }
}

/// The rest of a log that cannot be read.
struct Damaged(Option<io::Error>);

impl Read for Damaged {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// All frames of a zstd file, one after the other: the decoder reads one.
struct ZstdFrames<R: Read>(Option<ZstdFrame<R>>);

/// The decoder of one frame, whose first bytes have been looked at.
type ZstdFrame<R> = StreamingDecoder<Chain<Cursor<Vec<u8>>, R>, FrameDecoder>;

impl<R: Read> ZstdFrames<R> {
    fn new(packed: R) -> io::Result<Self> {
        Ok(Self(Self::next_frame(packed)?))
    }

    /// Leaves out skippable frames: `pzstd` begins with one, and an index of offsets is one.
    fn next_frame(mut packed: R) -> io::Result<Option<ZstdFrame<R>>> {
        loop {
            let mut magic = Vec::new();
            packed.by_ref().take(4).read_to_end(&mut magic)?;
            match magic.as_slice() {
                [] => return Ok(None),
                [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                    let mut length = [0; 4];
                    packed.read_exact(&mut length)?;
                    let length = u64::from(u32::from_le_bytes(length));
                    if io::copy(&mut packed.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                _ => {
                    let frame = StreamingDecoder::new(Cursor::new(magic).chain(packed));
                    return frame.map(Some).map_err(io::Error::other);
                }
            }
        }
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.0 {
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(frame) = self.0.take() else { break };
            let (_, packed) = frame.into_inner().into_inner();
            self.0 = Self::next_frame(packed)?;
        }
        Ok(0)
    }
}

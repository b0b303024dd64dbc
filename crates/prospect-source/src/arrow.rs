//! ProAssist's frames: an Arrow IPC stream with a column of pictures, JPEG in base64, two per second.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::DataType;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::RgbImage;

use super::sample::{Pictures, Sampled, Timed};
use super::{FrameSource, SourceError, SourceOptions, still};
use prospect_foreign::caught;
use prospect_foreign::one_line;

/// The frames per second of ProAssist's processed data. The files do not contain it.
const FPS: f64 = 2.0;
/// The names of the column of pictures, in ProAssist's files and in others.
const COLUMNS: [&str; 2] = ["frame", "image"];
/// The mark before the length of a message. The oldest files do not have it.
const CONTINUATION: [u8; 4] = [0xff; 4];
const LENGTH_BYTES: u64 = 4;

/// # Errors
/// The file is not an Arrow IPC stream, or has no column of pictures.
pub(super) fn open(path: &Path, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let file =
        File::open(path).map_err(|source| SourceError::Unreadable { path: path.to_owned(), source })?;
    let mut rows = Rows {
        path: path.to_owned(),
        file: BufReader::new(file),
        decoder: StreamDecoder::new(),
        column: None,
        next: 0,
        taken: 0,
        ended: false,
    };
    let not_arrow = |message| SourceError::NotArrow { path: path.to_owned(), message };
    match rows.next_batch().map_err(not_arrow)? {
        Some(batch) => rows.column = Some(rows.column_of(&batch)?),
        None => return Err(SourceError::NoFrames { path: path.to_owned() }),
    }
    let description = format!("{} (Arrow)", path.display());
    Ok(Box::new(Sampled::new(rows, options, None, description)))
}

struct Rows {
    path: PathBuf,
    file: BufReader<File>,
    decoder: StreamDecoder,
    /// The pictures of the present batch.
    column: Option<ArrayRef>,
    /// The index of the next picture in the batch.
    next: usize,
    /// The number of rows that have been taken so far.
    taken: usize,
    ended: bool,
}

impl Rows {
    /// The next batch; `None` at the end of the stream.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        while let Some(message) = self.next_message()? {
            let mut message = Buffer::from(message);
            let decoded = caught(|| self.decoder.decode(&mut message))
                .ok_or_else(|| "its lengths and offsets contradict each other".to_owned())?;
            if let Some(batch) = decoded.map_err(one_line)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// One message with its body, in the form that the decoder accepts. The decoder trusts the message about
    /// the size of its body, so the size is checked here first.
    fn next_message(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut message = Vec::new();
        self.take(LENGTH_BYTES, &mut message)?;
        if message == CONTINUATION {
            self.take(LENGTH_BYTES, &mut message)?;
        }
        let length = message.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        if message.is_empty() || length == 0 {
            return Ok(None);
        }
        let start = message.len();
        self.take(u64::from(length), &mut message)?;
        let metadata = &message[start..];
        if metadata.len() < length as usize {
            return Err("it ends in a message".to_owned());
        }
        let head = arrow_ipc::root_as_message(metadata).map_err(one_line)?;
        let body = u64::try_from(head.bodyLength()).map_err(|_| "a body of less than nothing".to_owned())?;
        let batch = head.header_as_record_batch();
        let batch = batch.or_else(|| head.header_as_dictionary_batch().and_then(|batch| batch.data()));
        let within = |buffer: &arrow_ipc::Buffer| {
            let (start, length) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()));
            matches!((start, length), (Ok(start), Ok(length)) if start.checked_add(length).is_some_and(|end| end <= body))
        };
        let buffers = batch.and_then(|batch| batch.buffers());
        if !buffers.into_iter().flatten().all(within) {
            return Err("a buffer outside its message".to_owned());
        }
        let start = message.len() as u64;
        self.take(body, &mut message)?;
        match message.len() as u64 - start < body {
            true => Err("it ends in a batch".to_owned()),
            false => Ok(Some(message)),
        }
    }

    /// Reads `bytes` bytes, or all that are left.
    fn take(&mut self, bytes: u64, into: &mut Vec<u8>) -> Result<(), String> {
        Read::by_ref(&mut self.file)
            .take(bytes)
            .read_to_end(into)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn column_of(&self, batch: &RecordBatch) -> Result<ArrayRef, SourceError> {
        let named = COLUMNS.iter().find_map(|name| batch.column_by_name(name));
        let found = named.filter(|column| holds_pictures(column.data_type()));
        found.cloned().ok_or_else(|| {
            let schema = batch.schema();
            let columns =
                schema.fields().iter().map(|field| format!("{} ({})", field.name(), field.data_type()));
            let found = one_line(columns.collect::<Vec<_>>().join(", "));
            SourceError::NoColumn { path: self.path.clone(), found }
        })
    }

    fn picture(&self, column: &ArrayRef, row: usize) -> Result<RgbImage, String> {
        let bytes = bytes_of(column, row)?;
        still::decode(&bytes).map_err(|error| error.to_string())
    }
}

fn holds_pictures(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => true,
        // As `datasets.Image` has it.
        DataType::Struct(fields) => fields
            .find("bytes")
            .is_some_and(|(_, field)| matches!(field.data_type(), DataType::Binary | DataType::LargeBinary)),
        _ => false,
    }
}

/// The bytes of an encoded picture. Text is base64; bytes are used directly.
fn bytes_of(column: &ArrayRef, row: usize) -> Result<Vec<u8>, String> {
    if column.is_null(row) {
        return Err("it is null".to_owned());
    }
    let decoded =
        |text: &str| BASE64_STANDARD.decode(text.trim()).map_err(|error| format!("no base64: {error}"));
    match column.data_type() {
        DataType::Utf8 => decoded(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => decoded(column.as_string::<i64>().value(row)),
        DataType::Binary => Ok(column.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Ok(column.as_binary::<i64>().value(row).to_vec()),
        DataType::Struct(_) => match column.as_struct().column_by_name("bytes") {
            Some(bytes) => bytes_of(bytes, row),
            None => Err("it has no bytes".to_owned()),
        },
        other => Err(one_line(format!("it is {other}"))),
    }
}

impl Pictures for Rows {
    type Picture = RgbImage;

    fn next_picture(&mut self) -> Option<Result<Timed<RgbImage>, SourceError>> {
        loop {
            if let Some(column) = self.column.as_ref().filter(|column| self.next < column.len()) {
                let picture = self.picture(column, self.next);
                let row = self.taken;
                self.next += 1;
                self.taken += 1;
                let (path, time) = (self.path.clone(), row as f64 / FPS);
                return Some(match picture {
                    Ok(picture) => Ok(Timed { time, duration: 1.0 / FPS, picture }),
                    Err(message) => Err(SourceError::CorruptRow { path, row, message }),
                });
            }
            if self.ended {
                return None;
            }
            match self.next_batch() {
                Ok(Some(batch)) => match self.column_of(&batch) {
                    Ok(column) => (self.column, self.next) = (Some(column), 0),
                    Err(error) => {
                        (self.ended, self.column) = (true, None);
                        return Some(Err(error));
                    }
                },
                Ok(None) => self.ended = true,
                Err(message) => {
                    (self.ended, self.column) = (true, None);
                    return Some(Err(SourceError::ArrowEnds {
                        path: self.path.clone(),
                        rows: self.taken,
                        message,
                    }));
                }
            }
        }
    }
}

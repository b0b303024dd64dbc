//! Frames in Arrow streams, as `fixtures/proassist/make.py` writes them with pyarrow.
#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "tests")]

use arrow_array::{ArrayRef, BinaryArray, Int32Array, RecordBatch, StringArray, StructArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prospect_source::{Frame, SourceError, SourceOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/proassist")
}

fn stream() -> PathBuf {
    fixture().join("frames/assembly_9011-c03f.arrow")
}

fn frames(path: &Path, fps: f64) -> Vec<Result<Frame, SourceError>> {
    let mut source = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(fps)).unwrap();
    std::iter::from_fn(|| source.next_frame()).collect()
}

fn jpeg() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(4, 4, image::Rgb([200, 100, 0]))
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    bytes.into_inner()
}

/// A stream of one batch.
fn written(name: &str, column: ArrayRef) -> tempfile::NamedTempFile {
    let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = StreamWriter::try_new(file.as_file_mut(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    file
}

fn text(rows: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(rows.to_vec()))
}

#[test]
fn rows_are_frames_two_a_second_whatever_is_sampled() {
    let all: Vec<Frame> = frames(&stream(), 2.0).into_iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 12);
    assert_eq!((all[11].index, all[11].time), (11, 5.5));
    assert_ne!(all[0].image, all[6].image, "from another batch");
    let half: Vec<Frame> = frames(&stream(), 1.0).into_iter().map(Result::unwrap).collect();
    assert_eq!(half.iter().map(|frame| frame.time).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(half[1].image, all[2].image);
}

#[test]
fn pictures_may_be_bytes_and_structs_of_bytes() {
    let jpeg = jpeg();
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&jpeg[..], &jpeg[..]]));
    assert_eq!(frames(written("image", bytes.clone()).path(), 2.0).len(), 2);
    let field = Arc::new(Field::new("bytes", DataType::Binary, true));
    let pictures: ArrayRef = Arc::new(StructArray::from(vec![(field, bytes)]));
    assert_eq!(frames(written("image", pictures).path(), 2.0).len(), 2);
}

#[test]
fn a_bad_row_costs_its_frame_alone() {
    let good = BASE64_STANDARD.encode(jpeg());
    let no_picture = BASE64_STANDARD.encode("no picture");
    let rows = [Some(good.as_str()), Some("%%%"), Some(&no_picture), None, Some(&good)];
    let found = frames(written("frame", text(&rows)).path(), 2.0);
    let errors: Vec<String> =
        found.iter().filter_map(|frame| frame.as_ref().err().map(ToString::to_string)).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("row 1: not a readable image: no base64: "), "{}", errors[0]);
    assert!(errors[1].contains("row 2: not a readable image: "), "{}", errors[1]);
    assert!(errors[2].ends_with("row 3: not a readable image: it is null"), "{}", errors[2]);
    assert_eq!(found.last().unwrap().as_ref().unwrap().time, 2.0);
}

#[test]
fn what_is_no_stream_of_pictures_is_refused() {
    let complaint = |path: &Path| {
        let error = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(2.0)).err().unwrap();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        error
    };
    let numbers = written("frame", Arc::new(Int32Array::from(vec![1])));
    assert!(complaint(numbers.path()).to_string().contains("the columns are frame (Int32)"));
    let other = written("picture", text(&[Some("")]));
    assert!(matches!(complaint(other.path()), SourceError::NoColumn { .. }));
    // What fuzzing found: a name is repeated as it is.
    let broken = written("pic\nture", text(&[Some("")]));
    assert!(complaint(broken.path()).to_string().contains("the columns are pic ture (Utf8)"));
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.arrow");
    std::fs::write(&junk, "ARROW1\0\0 and so on").unwrap();
    assert!(matches!(complaint(&junk), SourceError::NotArrow { .. }));
    std::fs::write(&junk, &std::fs::read(stream()).unwrap()[..300]).unwrap();
    assert!(matches!(complaint(&junk), SourceError::NotArrow { .. } | SourceError::NoFrames { .. }));
}

/// Found by fuzzing: the library takes the offsets of texts for whole numbers, whatever their length in bytes.
#[test]
fn lengths_that_are_no_whole_number_of_offsets_are_refused() {
    let picture = BASE64_STANDARD.encode(jpeg());
    let sound = written("frame", text(&[Some(&picture), Some(&picture)]));
    let bytes = std::fs::read(sound.path()).unwrap();
    let (offsets, folder) = (12_u64.to_le_bytes(), tempfile::tempdir().unwrap());
    let places = (0..bytes.len() - 8).filter(|&at| bytes[at..at + 8] == offsets);
    let mut refused = 0;
    for at in places {
        let mut bytes = bytes.clone();
        bytes[at] += 1;
        let path = folder.path().join("odd.arrow");
        std::fs::write(&path, bytes).unwrap();
        let error = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(2.0)).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        refused += usize::from(message.ends_with("its lengths and offsets contradict each other"));
    }
    assert!(refused > 0);
}

#[test]
fn frames_before_the_end_of_a_stream_that_was_cut_off_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.arrow");
    let whole = std::fs::read(stream()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() * 3 / 4]).unwrap();
    let found = frames(&cut, 2.0);
    let good = found.iter().filter(|frame| frame.is_ok()).count();
    assert!((5..12).contains(&good), "{good}");
    let error = found.iter().find_map(|frame| frame.as_ref().err()).unwrap();
    assert!(matches!(error, SourceError::ArrowEnds { rows: 5.., .. }), "{error}");
}

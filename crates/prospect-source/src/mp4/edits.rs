//! Edit lists: the part of a track that is shown, and the time at which it begins.

use std::ops::Range;

use re_mp4::{StblBox, TrakBox};

/// The mark of an empty edit: -1 as the demuxer reads it from a field of 32 and of 64 bits.
const EMPTY: [u64; 2] = [u32::MAX as u64, u64::MAX];

/// The shown part of a track, in ticks of its media.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edit {
    /// The ticks of the media that are shown, in the numbers of its tables.
    pub(super) shown: Range<i64>,
    /// The time at which the first of them is shown, in the same ticks; `None` means the media's own time.
    pub(super) begins: Option<i64>,
}

/// The edit of a track; `None` for a list with more than a begin and an end, which ffmpeg has to read.
pub(super) fn edit(trak: &TrakBox, movie_timescale: u64) -> Option<Edit> {
    let list = trak.edts.as_ref().and_then(|edits| edits.elst.as_ref());
    let Some(list) = list.filter(|list| !list.entries.is_empty()) else {
        return Some(Edit { shown: i64::MIN..i64::MAX, begins: None });
    };
    let is_empty = |time: u64| EMPTY.contains(&time);
    let (timescale, movie_timescale) =
        (u128::from(trak.mdia.mdhd.timescale), u128::from(movie_timescale.max(1)));
    // To the nearest tick, as ffmpeg.
    let ticks = |duration: u64| {
        let ticks = (u128::from(duration) * timescale + movie_timescale / 2) / movie_timescale;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    };
    let first = list.entries.iter().position(|entry| !is_empty(entry.media_time))?;
    let delay = list.entries[..first].iter().map(|entry| ticks(entry.segment_duration));
    let delay = delay.fold(0_i64, i64::saturating_add);
    let [entry] = &list.entries[first..] else { return None };
    if entry.media_rate != 1 || entry.media_rate_fraction != 0 {
        return None;
    }
    let start = i64::try_from(entry.media_time).ok()?;
    let end = match entry.segment_duration {
        0 => i64::MAX,
        duration => start.saturating_add(ticks(duration)),
    };
    Some(Edit { shown: start..end, begins: Some(delay) })
}

/// The ticks by which the demuxer has moved the samples of the tables: it puts the first frame at 0.
pub(super) fn first_tick(tables: &StblBox) -> i64 {
    let Some(offsets) = &tables.ctts else { return 0 };
    let counted = |count: u32| std::iter::repeat_n((), count as usize);
    let mut durations =
        tables.stts.entries.iter().flat_map(|entry| counted(entry.sample_count).map(|()| entry.sample_delta));
    let offsets =
        offsets.entries.iter().flat_map(|entry| counted(entry.sample_count).map(|()| entry.sample_offset));
    let mut time = 0_i64;
    let mut least = None;
    // A damaged count may be four billion; the demuxer has read as many samples as there are sizes.
    for offset in offsets.take(tables.stsz.sample_count as usize) {
        let at = time.saturating_add(i64::from(offset));
        least = Some(least.map_or(at, |least: i64| least.min(at)));
        time = time.saturating_add(durations.next().map_or(0, i64::from));
    }
    least.unwrap_or(0)
}

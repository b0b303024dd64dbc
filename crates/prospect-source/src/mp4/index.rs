//! The index of a track: the places and times of its frames, from the tables of the movie box and from the
//! fragments behind it.
//!
//! The demuxer's own list of the fragments is wrong in three points: it takes the offset of a frame's time as
//! never negative, the time of a fragment from the end of the fragment before, and the place of a run from
//! the run before. Times are those of the tables, minus what the edit list says, so a first frame at 0.08 s
//! is at 0.08 s.

use re_mp4::{Mp4, Track, TrafBox, TrexBox};

use super::edits::{Edit, first_tick};

/// `default-base-is-moof` of a fragment's header.
const BASE_IS_FRAGMENT: u32 = 0x2_0000;
/// The flag of a frame at which decoding cannot start.
const NO_SYNC: u32 = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) sync: bool,
    /// The time at which the frame is shown, if it is shown.
    pub(super) ticks: i64,
    pub(super) shown: bool,
    /// The duration in the file.
    duration: u64,
}

/// The samples of one track, in the order in which they are decoded.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) samples: Vec<Sample>,
    /// The presentation ticks of all samples that are shown, sorted.
    pub(super) order: Vec<i64>,
    /// The tick at which the last one ends.
    pub(super) end: i64,
}

impl Index {
    /// Makes the index; `None` if no sample is shown.
    pub(super) fn of(mp4: &Mp4, track: &Track, edit: &Edit) -> Option<Self> {
        let mut samples = in_tables(mp4, track, edit);
        let ends = track.trak(mp4).mdia.minf.stbl.stts.entries.iter().fold(0_i64, |end, entry| {
            end.saturating_add(i64::from(entry.sample_count).saturating_mul(i64::from(entry.sample_delta)))
        });
        let shift = edit.begins.map_or(0, |begins| begins.saturating_sub(edit.shown.start));
        samples.extend(in_fragments(mp4, track.track_id, ends, shift));
        let mut order: Vec<_> = samples.iter().filter(|sample| sample.shown).map(|s| s.ticks).collect();
        order.sort_unstable();
        let end = last_end(&samples).max(order.last().copied()?);
        Some(Self { samples, order, end })
    }
}

fn in_tables(mp4: &Mp4, track: &Track, edit: &Edit) -> Vec<Sample> {
    let runs = mp4.moofs.iter().flat_map(|moof| &moof.trafs);
    let runs = runs.filter(|traf| traf.tfhd.track_id == track.track_id).flat_map(|traf| &traf.truns);
    let in_fragments: usize = runs.map(|run| run.sample_count as usize).sum();
    let in_tables = track.samples.len().saturating_sub(in_fragments);
    let moved = first_tick(&track.trak(mp4).mdia.minf.stbl);
    let samples: Vec<_> = track.samples[..in_tables]
        .iter()
        .map(|sample| {
            let ticks = sample.composition_timestamp.saturating_add(moved);
            let shown = edit.shown.contains(&ticks);
            let (offset, size, duration) = (sample.offset, sample.size, sample.duration);
            Sample { offset, size, sync: sample.is_sync, ticks, shown, duration }
        })
        .collect();
    let first = samples.iter().filter(|sample| sample.shown).map(|sample| sample.ticks).min();
    let shift = edit.begins.zip(first).map_or(0, |(begins, first)| begins.saturating_sub(first));
    let end = edit.shown.end.saturating_add(shift);
    let moved = samples.into_iter().map(|sample| {
        let ticks = sample.ticks.saturating_add(shift);
        // The last one that is shown may be cut off.
        let left = end.saturating_sub(ticks).max(0).unsigned_abs();
        let duration = if sample.shown { sample.duration.min(left) } else { sample.duration };
        Sample { ticks, duration, ..sample }
    });
    moved.collect()
}

/// The frames of all fragments of a track. The frames before them end at `decoded`. An edit list moves all of
/// them by `shift` and hides none, because it applies to the movie box.
fn in_fragments(mp4: &Mp4, track: u32, mut decoded: i64, shift: i64) -> Vec<Sample> {
    let defaults = mp4.moov.mvex.iter().flat_map(|mvex| &mvex.trexs).find(|trex| trex.track_id == track);
    let defaults = defaults.cloned().unwrap_or_default();
    let mut samples = Vec::new();
    for moof in &mp4.moofs {
        // Where nothing else is said, a track's data follows that of the one before.
        let mut at = moof.start;
        for traf in &moof.trafs {
            let implied = if traf.tfhd.flags & BASE_IS_FRAGMENT != 0 { moof.start } else { at };
            let base = traf.tfhd.base_data_offset.unwrap_or(implied);
            if traf.tfhd.track_id != track {
                at = foreign_end(traf, base, mp4);
                continue;
            }
            let begins = traf.tfdt.as_ref().map(|tfdt| i64::try_from(tfdt.base_media_decode_time));
            decoded = begins.and_then(Result::ok).unwrap_or(decoded);
            at = runs(traf, &defaults, (base, shift), &mut decoded, &mut samples);
        }
    }
    samples
}

/// Takes the frames of one track's part of a fragment. Returns the end of its data.
fn runs(
    traf: &TrafBox,
    defaults: &TrexBox,
    (base, shift): (u64, i64),
    decoded: &mut i64,
    samples: &mut Vec<Sample>,
) -> u64 {
    let header = &traf.tfhd;
    let size = header.default_sample_size.unwrap_or(defaults.default_sample_size);
    let duration = header.default_sample_duration.unwrap_or(defaults.default_sample_duration);
    let flags = header.default_sample_flags.unwrap_or(defaults.default_sample_flags);
    let mut offset = base;
    for run in &traf.truns {
        offset = run.data_offset.map_or(offset, |from| base.saturating_add_signed(from.into()));
        for number in 0..run.sample_count as usize {
            let of = |values: &[u32], default| values.get(number).copied().unwrap_or(default);
            let first = run.first_sample_flags.filter(|_| number == 0).unwrap_or(flags);
            let (size, duration) = (of(&run.sample_sizes, size), of(&run.sample_durations, duration));
            // As ffmpeg: with a sign, whatever the version of the box.
            let later = of(&run.sample_cts, 0).cast_signed();
            samples.push(Sample {
                offset,
                size: size.into(),
                sync: of(&run.sample_flags, first) & NO_SYNC == 0,
                ticks: decoded.saturating_add(later.into()).saturating_add(shift),
                shown: true,
                duration: duration.into(),
            });
            offset = offset.saturating_add(size.into());
            *decoded = decoded.saturating_add(duration.into());
        }
    }
    offset
}

/// The end of the data of another track's part of a fragment.
fn foreign_end(traf: &TrafBox, base: u64, mp4: &Mp4) -> u64 {
    let defaults = mp4.moov.mvex.iter().flat_map(|mvex| &mvex.trexs);
    let default = defaults.clone().find(|trex| trex.track_id == traf.tfhd.track_id);
    let size = traf.tfhd.default_sample_size.or(default.map(|trex| trex.default_sample_size)).unwrap_or(0);
    traf.truns.iter().fold(base, |offset, run| {
        let from = run.data_offset.map_or(offset, |from| base.saturating_add_signed(from.into()));
        let bytes = if run.sample_sizes.is_empty() {
            u64::from(run.sample_count) * u64::from(size)
        } else {
            run.sample_sizes.iter().map(|size| u64::from(*size)).sum()
        };
        from.saturating_add(bytes)
    })
}

/// The end of the last frame that is shown. The demuxer takes the duration of the last sample from that of
/// the track, which may be shorter than its samples; in that case the last sample is as long as the one
/// before it.
fn last_end(samples: &[Sample]) -> i64 {
    let plausible = |duration: u64| i64::try_from(duration).ok().filter(|ticks| *ticks < i64::MAX / 4);
    let mut before = 0;
    let ends = samples.iter().filter(|sample| sample.shown).map(|sample| {
        before = plausible(sample.duration).unwrap_or(before);
        sample.ticks.saturating_add(before)
    });
    ends.max().unwrap_or_default()
}

//! Reads which shared libraries a program needs to start: DT_NEEDED of a 64-bit little-endian ELF file.

const DYNAMIC: u32 = 6;
const STRINGS: u32 = 3;
const NEEDED: u64 = 1;
const SECTION_BYTES: usize = 64;

/// The names of the libraries, in the order of the file.
pub(super) fn needed(elf: &[u8]) -> Result<Vec<String>, String> {
    if elf.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
        return Err("no ELF file of 64 bits".to_owned());
    }
    names(elf).ok_or_else(|| "a damaged ELF file".to_owned())
}

/// A section header: type, offset and size, and the linked section.
struct Section {
    kind: u32,
    range: std::ops::Range<usize>,
    link: usize,
}

fn names(elf: &[u8]) -> Option<Vec<String>> {
    let (table, count) = (number::<8>(elf, 40)? as usize, number::<2>(elf, 60)? as usize);
    let sections = (0..count).map(|index| section(elf, table + index * SECTION_BYTES));
    let sections = sections.collect::<Option<Vec<_>>>()?;
    let Some(dynamic) = sections.iter().find(|section| section.kind == DYNAMIC) else {
        // The program is statically linked.
        return Some(Vec::new());
    };
    let strings = sections.get(dynamic.link).filter(|section| section.kind == STRINGS)?;
    let strings = elf.get(strings.range.clone())?;
    let entries = elf.get(dynamic.range.clone())?.chunks_exact(16);
    let wanted = entries.filter(|entry| number::<8>(entry, 0) == Some(NEEDED));
    wanted
        .map(|entry| {
            let name = strings.get(number::<8>(entry, 8)? as usize..)?;
            let end = name.iter().position(|byte| *byte == 0)?;
            Some(String::from_utf8_lossy(&name[..end]).into_owned())
        })
        .collect()
}

fn section(elf: &[u8], at: usize) -> Option<Section> {
    let (offset, size) = (number::<8>(elf, at + 24)? as usize, number::<8>(elf, at + 32)? as usize);
    Some(Section {
        kind: number::<4>(elf, at + 4)? as u32,
        range: offset..offset.checked_add(size)?,
        link: number::<4>(elf, at + 40)? as usize,
    })
}

fn number<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..BYTES].copy_from_slice(bytes.get(at..at.checked_add(BYTES)?)?);
    Some(u64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn this_program_needs_the_c_library_and_no_driver() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = needed(&program).unwrap();
        assert!(needed.iter().any(|name| name.starts_with("libc.so")), "{needed:?}");
        assert!(needed.iter().all(|name| !name.starts_with("libcu")), "{needed:?}");
    }

    #[test]
    fn what_is_no_program_is_an_error() {
        assert!(needed(b"#!/bin/sh").is_err());
        assert!(needed(b"\x7fELF\x02\x01 and nothing else").is_err());
    }
}

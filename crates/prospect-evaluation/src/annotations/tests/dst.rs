//! PROSPECT's dialogue states.

use super::*;

const GOOD: &str =
    "type\tstart_ts\tend_ts\tname\nSTEP\t0\t4\tcook\nSUBSTEP\t0\t2.5\tstir\nSUBSTEP\t2.5\t4\tpour\n";

#[test]
fn every_malformation_names_its_line() {
    let complaint = |from: &str, to: &str| complaint(tsv, GOOD, from, to);
    assert!(tsv("\r\n \n").unwrap_err().to_string().contains("the file is empty, expected a header"));
    assert!(
        complaint("end_ts", "end").contains("line 1: no column end_ts, expected the columns type, start_ts")
    );
    assert!(complaint("name", "type").contains("line 1: several columns type"));
    assert!(complaint("\tcook", "").contains("line 2: 3 cells, expected 4"));
    assert!(complaint("cook", "cook\tmore").contains("line 2: 5 cells, expected 4"));
    assert!(
        complaint("STEP\t0\t2", "STAGE\t0\t2")
            .contains("line 3: type is \"SUBSTAGE\", expected STEP, SUBSTEP")
    );
    assert!(complaint("2.5\tstir", "2,5\tstir").contains("line 3: end_ts is \"2,5\", expected seconds"));
    assert!(complaint("0\t4", "\t4").contains("line 2: start_ts is \"\", expected seconds"));
    assert!(complaint("0\t4", "-1\t4").contains("line 2: start_ts is -1, expected seconds, at least 0"));
    assert!(complaint("0\t4", "0\tinf").contains("line 2: end_ts is inf, expected seconds"));
    assert!(complaint("0\t4", "nan\t4").contains("line 2: start_ts is NaN, expected seconds"));
    assert!(complaint("2.5\t4", "4\t4").contains("line 4 is from 4 s to 4 s, expected start < end"));
    assert!(complaint("2.5\t4", "5\t4").contains("line 4 is from 5 s to 4 s"));
    assert!(complaint("pour", "  ").contains("line 4 has no name"));
    // Lines are counted with the blank ones.
    assert!(complaint("\nSUBSTEP\t0", "\n\r\n\t\t\nSUBSTEP\tx").contains("line 5: start_ts is \"x\""));
}

#[test]
fn the_fixture_has_three_levels_in_any_order() {
    let tea = tsv(TEA_TSV).unwrap();
    let own = json(TEA).unwrap();
    assert_eq!((&tea.steps, &tea.substeps, &tea.actions), (&own.steps, &own.substeps, &own.actions));
    assert_eq!(tea, tsv(&format!("\u{feff}{}", TEA_TSV.replace('\n', "\r\n"))).unwrap());
}

#[test]
fn steps_are_the_substeps_where_there_are_no_others() {
    let text = "name\tend_ts\ttype\tstart_ts\nserve\t9\tStep\t4\ncook\t4\tstep\t0\nstir\t2\taction\t2\n";
    let annotations = tsv(text).unwrap();
    assert_eq!(names(&annotations.substeps), ["cook", "serve"]);
    assert_eq!(
        Format::Dst.write(&annotations).unwrap(),
        "type\tstart_ts\tend_ts\tname\nSTEP\t0\t4\tcook\nACTION\t2\t2\tstir\nSTEP\t4\t9\tserve\n"
    );
}

#[test]
fn quotes_are_ordinary_and_separators_in_names_are_lost() {
    let quoted = tsv(&GOOD.replace("cook", "\"cook\" it")).unwrap();
    assert_eq!(names(&quoted.steps), ["\"cook\" it"]);
    assert_eq!(Format::Dst.lost(&quoted), [""; 0]);
    let mut broken = quoted;
    broken.steps[0].name = "cook\tit\r\nwell".to_owned();
    assert_eq!(Format::Dst.lost(&broken), ["tabs and line breaks in names"]);
    assert_eq!(names(&tsv(&Format::Dst.write(&broken).unwrap()).unwrap().steps), ["cook it  well"]);
}

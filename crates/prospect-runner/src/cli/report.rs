//! `prospect-runner report`: a page of a run, from its trace.

use super::arguments::ReportArguments;
use super::page::write_page;
use super::say::print;
use super::trace_file::trace_file;
use crate::error::RunError;
use crate::report::RunToShow;
use crate::suite::Store;

pub(super) fn report(arguments: &ReportArguments) -> Result<(), RunError> {
    let ReportArguments { trace, video, annotations } = arguments;
    if Store::new(trace).description().is_ok() {
        return Err(RunError::Argument {
            argument: trace.display().to_string(),
            problem: "holds many runs".to_owned(),
            expected: format!("the folder of one, or `prospect-runner merge {}`", trace.display()),
        });
    }
    let trace = trace_file(trace);
    let (video, annotations) = (video.as_deref(), annotations.as_deref());
    let page = write_page(RunToShow { trace: &trace, video, annotations, pictures: None })?;
    print(&format!("report: {}", page.display()));
    Ok(())
}

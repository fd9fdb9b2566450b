//! Whatever git prints is read, and counts no more paths than there are records.

use codex_plus_project::git::StatusReport;

pub(crate) fn check(output: &[u8]) {
    let report = StatusReport::parse(output, false);
    let records = output.split(|byte| *byte == 0).count() as u64;
    let changes = report.changes;
    assert!(
        changes.staged.max(changes.modified) + changes.untracked + changes.conflicts <= records
    );
}

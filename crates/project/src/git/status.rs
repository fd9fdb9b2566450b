//! Reads what `git status --porcelain=v2 --branch -z` prints.

use super::facts::{Changes, Head, Upstream};

/// What one `git status` said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusReport {
    /// The commit `HEAD` stands on; `None` on an unborn branch.
    pub commit: Option<String>,
    /// What is checked out.
    pub head: Head,
    /// The branch it follows.
    pub upstream: Option<Upstream>,
    /// What differs from that commit.
    pub changes: Changes,
}

impl StatusReport {
    /// Reads the output; `cut` when there was more of it, so that the counts are the least there
    /// is. Never fails: what is not understood is passed over.
    pub fn parse(output: &[u8], cut: bool) -> Self {
        let mut report = Self::default();
        report.changes.at_least = cut;
        let (mut branch, mut unborn) = (None, false);
        let mut records = output.split(|byte| *byte == 0);
        // A cut record could be of any kind: the one behind the last separator does not count.
        while let Some(record) = records.next() {
            match record {
                [b'#', b' ', header @ ..] => {
                    let header = String::from_utf8_lossy(header);
                    let Some((name, value)) = header.split_once(' ') else {
                        continue;
                    };
                    match name {
                        "branch.oid" if value == "(initial)" => unborn = true,
                        "branch.oid" => report.commit = Some(value.to_owned()),
                        "branch.head" if value == "(detached)" => {}
                        "branch.head" => branch = Some(value.to_owned()),
                        "branch.upstream" => {
                            report.upstream = Some(Upstream {
                                name: value.to_owned(),
                                distance: None,
                            });
                        }
                        "branch.ab" => {
                            if let Some(upstream) = &mut report.upstream {
                                upstream.distance = distance(value);
                            }
                        }
                        _ => {}
                    }
                }
                [kind @ (b'1' | b'2'), b' ', index, tree, b' ', ..] => {
                    report.changes.staged += u64::from(*index != b'.');
                    report.changes.modified += u64::from(*tree != b'.');
                    if *kind == b'2' {
                        // The path it was renamed from stands in a record of its own.
                        records.next();
                    }
                }
                [b'u', b' ', ..] => report.changes.conflicts += 1,
                [b'?', b' ', ..] => report.changes.untracked += 1,
                _ => {}
            }
        }
        report.head = match (branch, unborn, &report.commit) {
            (Some(branch), true, _) => Head::Unborn(branch),
            (Some(branch), false, _) => Head::Branch(branch),
            (None, _, Some(commit)) => Head::Detached(commit.clone()),
            (None, _, None) => Head::Unknown,
        };
        report
    }
}

/// `+1 -2`
fn distance(text: &str) -> Option<(u64, u64)> {
    let (ahead, behind) = text.split_once(' ')?;
    let ahead = ahead.strip_prefix('+')?.parse().ok()?;
    let behind = behind.strip_prefix('-')?.parse().ok()?;
    Some((ahead, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_looks_like_a_record_is_not_one() {
        let output = b"# branch.oid 1\0# branch.head main\x002 R. N... 1 1 1 a b R100 new\0? old\0? x\0u UU \0";
        let report = StatusReport::parse(output, false);
        assert_eq!(report.changes.untracked, 1);
        assert_eq!((report.changes.staged, report.changes.modified), (1, 0));
        assert_eq!(report.changes.conflicts, 1);
    }

    proptest! {
        #[test]
        fn any_output_is_read(output in proptest::collection::vec(any::<u8>(), 0..200), cut: bool) {
            let report = StatusReport::parse(&output, cut);
            prop_assert_eq!(report.changes.at_least, cut);
        }
    }
}

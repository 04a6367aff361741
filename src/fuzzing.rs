//! The bodies of the fuzz targets (`fuzz/`), gathered from beside the code they try.
//!
//! Compiled for fuzzing and for tests only: the same bodies run over the kept corpus with every `cargo test`, so a finding
//! that came back would fail there. A body panics where what it promises does not hold.

pub use crate::api::fuzz::{booking_requests, tokens};
pub use crate::media::fuzz::{answers, datagrams, offers};
pub use crate::signaling::fuzz::signaling;
pub use crate::store::fuzz::stored_events;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    type Body = fn(&[u8]);

    const TARGETS: [(&str, Body); 7] = [
        ("answers", super::answers),
        ("booking_requests", super::booking_requests),
        ("datagrams", super::datagrams),
        ("offers", super::offers),
        ("signaling", super::signaling),
        ("stored_events", super::stored_events),
        ("tokens", super::tokens),
    ];

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).expect("the folder is there");
        let mut names: Vec<_> =
            files.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_target_has_its_body_and_a_corpus() {
        let expected: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let files: Vec<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names(&folder("fuzz_targets")), files);
        assert_eq!(names(&folder("corpus")), expected);
    }

    #[test]
    fn the_kept_corpus_passes_every_body() {
        for (target, body) in TARGETS {
            let corpus = folder("corpus").join(target);
            let cases = names(&corpus);
            assert!(cases.len() >= 3, "{target} has {} cases", cases.len());
            for case in cases {
                let input = fs::read(corpus.join(&case)).expect("readable");
                // Shown with a failure, to say which case it was.
                eprintln!("{target}/{case}");
                body(&input);
            }
        }
    }
}

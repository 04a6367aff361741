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
    use std::panic::catch_unwind;
    use std::path::{Path, PathBuf};

    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};

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

    /// Pieces that parsers stumble over.
    const PIECES: [&[u8]; 16] = [
        b"0",
        b"-1",
        b"99999999999999999999",
        b"1e309",
        b"null",
        b"\"",
        b"{",
        b"}",
        b"[",
        b",",
        b":",
        b"\r\n",
        b"\0",
        b"\xff",
        b" ",
        b"+262142-12-31T23:59:59Z",
    ];

    fn mutated(cases: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
        let mut input = cases.choose(rng).cloned().unwrap_or_default();
        for _ in 0..rng.random_range(1..=6) {
            let at = rng.random_range(0..=input.len());
            let end = (at + rng.random_range(0..16)).min(input.len());
            match rng.random_range(0..7) {
                0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
                1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
                2 => drop(input.drain(at..end)),
                3 => drop(
                    input.splice(at..at, PIECES.choose(rng).copied().unwrap_or_default().iter().copied()),
                ),
                4 => drop(
                    input.splice(at..end, PIECES.choose(rng).copied().unwrap_or_default().iter().copied()),
                ),
                5 => {
                    let copied = input[at..end].to_vec();
                    let to = rng.random_range(0..=input.len());
                    drop(input.splice(to..to, copied));
                }
                _ => {
                    let other = cases.choose(rng).map(Vec::as_slice).unwrap_or_default();
                    let from = rng.random_range(0..=other.len());
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
        }
        input
    }

    /// No substitute for `make fuzz`, which follows what the code does with an input; but it goes with every test.
    /// `CURFEW_FUZZ_RUNS` says how many inputs each target gets, `CURFEW_FUZZ_TARGET` which, `CURFEW_FUZZ_SEED` from where.
    #[test]
    fn inputs_like_the_corpus_pass_every_body() {
        let number = |name, or| std::env::var(name).map_or(or, |text| text.parse().expect("a number"));
        let (runs, seed) = (number("CURFEW_FUZZ_RUNS", 200_u64), number("CURFEW_FUZZ_SEED", 1_u64));
        let only = std::env::var("CURFEW_FUZZ_TARGET").ok();
        for (target, body) in
            TARGETS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
        {
            let corpus = folder("corpus").join(target);
            let read = |case: &String| fs::read(corpus.join(case)).expect("readable");
            let cases: Vec<Vec<u8>> = names(&corpus).iter().map(read).collect();
            let mut rng = StdRng::seed_from_u64(seed);
            for run in 0..runs {
                let input = mutated(&cases, &mut rng);
                assert!(
                    catch_unwind(|| body(&input)).is_ok(),
                    "{target}, run {run}: {}",
                    input.escape_ascii()
                );
            }
            eprintln!("{target}: {runs} inputs");
        }
    }
}

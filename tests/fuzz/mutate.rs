//! Cases made from other cases, by steps that a seed decides.

/// Longest case in bytes: every law holds for short ones or for none.
const LONGEST: usize = 8 << 10;
/// Made cases that serve to make others, beside the corpus.
const KEPT: usize = 64;

/// What formats give a meaning to.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\\"",
    b"null",
    b"-",
    b"1e999",
    b"0",
    b"true",
    b"\"type\":",
    b"\"input\":",
    b"\"id\":",
    b"\"text\":",
    b"\"key\":",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"data:",
    b"data: ",
    b"event:",
    b": ",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\xa6\x80",
    b"\0",
    b"---\n",
    b"!`",
    b"`",
    b"$ARGUMENTS",
    b"@",
    b"..",
    b"/",
    b"'",
    b"&a",
    b"*a",
    b"? ",
    b"|\n",
    b"%",
    b" ",
    b"\t",
    b"\x81\xfe",
    b"\x88\x02\x03\xe8",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
];
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    u64::MAX,
];

/// Makes cases without an end.
pub(crate) struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
    made: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            corpus,
            made: Vec::new(),
        }
    }

    /// The next case.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut case = self.pick().clone();
        for _ in 0..=self.below(6) {
            self.step(&mut case);
        }
        case.truncate(LONGEST);
        let at = self.below(KEPT);
        match self.made.get_mut(at) {
            Some(place) => place.clone_from(&case),
            None => self.made.push(case.clone()),
        }
        case
    }

    fn step(&mut self, case: &mut Vec<u8>) {
        let at = self.below(case.len() + 1);
        let len = self.below(16.max(case.len() / 4) + 1).min(case.len() - at);
        match self.below(9) {
            0 if at < case.len() => case[at] ^= 1 << self.below(8),
            1 if at < case.len() => case[at] = self.random().to_le_bytes()[0],
            2 => {
                case.drain(at..at + len);
            }
            3 => {
                let copy = case[at..at + len].to_vec();
                let to = self.below(case.len() + 1);
                case.splice(to..to, copy);
            }
            4 => {
                let other = self.pick().clone();
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                case.splice(at..at + len, other[from..to].iter().copied());
            }
            5 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_be_bytes();
                let width = 1 << self.below(4);
                let end = (at + width).min(case.len());
                case.splice(at..end, number[8 - width..].iter().copied());
            }
            6 => case.truncate(at),
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                let over = if self.below(2) == 0 {
                    0
                } else {
                    len.min(word.len())
                };
                case.splice(at..at + over, word.iter().copied());
            }
        }
    }

    /// One of the corpus, or of what was made of it.
    fn pick(&mut self) -> &Vec<u8> {
        let at = self.below(2 * self.corpus.len());
        match self.corpus.get(at) {
            Some(_) => &self.corpus[at],
            None if self.made.is_empty() => &self.corpus[0],
            None => {
                let at = self.below(self.made.len());
                &self.made[at]
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random() >> 16).unwrap() % limit.max(1)
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

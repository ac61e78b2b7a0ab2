//! Help of models that have BERT4Rec's options and more.

use cloze_sequential::Bert4RecOptions;

type Line = (&'static str, &'static str);

/// Number of lines of a model that adds so many.
pub(crate) const fn lines(own: usize) -> usize {
    Bert4RecOptions::HELP.len() + own
}

/// BERT4Rec's lines, then `own`; `N` is [`lines`].
pub(crate) const fn with_bert4rec<const N: usize>(own: &[Line]) -> [Line; N] {
    let mut all = [("", ""); N];
    let mut i = 0;
    while i < N {
        let first = Bert4RecOptions::HELP.len();
        all[i] = if i < first { Bert4RecOptions::HELP[i] } else { own[i - first] };
        i += 1;
    }
    all
}

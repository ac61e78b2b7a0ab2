//! Ctrl-C during training: finish the step, write a checkpoint, say how to go on.

use anyhow::{Context as _, Result};
use cloze_train::{Interrupt, TrainError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::text::quoted;

/// What a shell reports for a process that Ctrl-C ended.
pub(crate) const EXIT_CODE: u8 = 130;

/// Makes the first Ctrl-C (or request to terminate) a wish to stop; where nothing heeds it, and at the second, the
/// process ends at once.
pub(crate) fn heed() -> Result<Interrupt> {
    let interrupt = Interrupt::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the signal that asks must not find what it sets itself.
        flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), interrupt.exits())
            .and_then(|_| flag::register(signal, interrupt.asked()))
            .and_then(|_| flag::register(signal, interrupt.exits()))
            .context("cannot listen for Ctrl-C")?;
    }
    Ok(interrupt)
}

/// What to tell if `error` is a run that was asked to stop: where it stands, and the command that goes on.
pub(crate) fn told(error: &anyhow::Error) -> Option<String> {
    let stopped = error.chain().find_map(|cause| match cause.downcast_ref::<TrainError>() {
        Some(stopped @ TrainError::Interrupted { .. }) => Some(stopped.to_string()),
        _ => None,
    })?;
    let arguments = std::env::args().skip(1);
    Some(format!("{stopped}\nGo on with:\n  {}\n", go_on(arguments)))
}

/// The same command once more, with `--resume`.
fn go_on(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cloze".to_owned()];
    words.extend(arguments.filter(|word| word != "--resume").map(|word| quoted(&word)));
    words.push("--resume".to_owned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_go_on_is_the_same_with_one_resume() {
        let words = ["train", "bert4rec", "--resume", "--output", "my runs/a"].map(str::to_owned);
        assert_eq!(go_on(words.into_iter()), "cloze train bert4rec --output 'my runs/a' --resume");
    }
}

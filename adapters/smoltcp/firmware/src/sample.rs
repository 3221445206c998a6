//! What the device measures of itself, as JSON.
use crate::board::Board;
use crate::lan9118::Traffic;
use core::fmt::Write;
use heapless::String;

/// One sample as a JSON object. `number` counts samples from 0.
pub fn sample(board: &mut Board, traffic: Traffic, number: u32) -> String<192> {
    let mut json = String::new();
    let Traffic { received, sent, dropped, .. } = traffic;
    // Not the turn's time: a burst of samples lies in one turn.
    let now = board.micros();
    let (counter, late, stack, sleeps) = (board.counter(), board.late, board.stack_so_far(), board.sleeps);
    // Room for the largest numbers: it cannot fail.
    let _ = write!(
        json,
        "{{\"n\":{number},\"us\":{now},\"counter\":{counter},\"late_us\":{late},\"stack\":{stack},\
         \"sleeps\":{sleeps},\"frames\":[{received},{sent},{dropped}]}}"
    );
    json
}

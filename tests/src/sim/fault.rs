//! Kinds of faults; each history has some of them only, so that the others cannot hide anything.
use super::dice::Dice;

pub(super) const SLOW: u32 = 1;
pub(super) const CUT: u32 = 1 << 1;
pub(super) const STALL: u32 = 1 << 2;
pub(super) const REFUSE: u32 = 1 << 3;
pub(super) const ERROR: u32 = 1 << 4;
pub(super) const SWALLOW: u32 = 1 << 5;
pub(super) const MOVE: u32 = 1 << 6;
pub(super) const RESTART: u32 = 1 << 7;
pub(super) const THROTTLE: u32 = 1 << 8;
pub(super) const JUMP: u32 = 1 << 9;
pub(super) const RECREATE: u32 = 1 << 10;
pub(super) const GROW: u32 = 1 << 11;
pub(super) const ABOUT: u32 = 1 << 12;
pub(super) const SHRINK: u32 = 1 << 13;
pub(super) const FINAL: u32 = 1 << 14;
pub(super) const TRUNCATE: u32 = 1 << 15;
/// Batches that topics take become smaller, and larger again.
pub(super) const LIMIT: u32 = 1 << 16;
pub(super) const LAG: u32 = 1 << 17;
pub(super) const EXPIRE: u32 = 1 << 18;
pub(super) const CRASH: u32 = 1 << 19;
pub(super) const FATAL: u32 = 1 << 20;
pub(super) const MALFORM: u32 = 1 << 21;
pub(super) const CALLS: u32 = 1 << 22;
pub(super) const ADDRESS: u32 = 1 << 23;
/// Topics want keys, and then do not: batches are refused for some of their records.
pub(super) const KEYS: u32 = 1 << 24;
/// Brokers speak no version of Produce that producers do, and are replaced by others.
pub(super) const VERSIONS: u32 = 1 << 25;
/// Brokers that are asked about the cluster send the producer back to the bootstrap servers.
pub(super) const REBOOTSTRAP: u32 = 1 << 26;
/// More topics are registered than there is room for.
pub(super) const TOPICS: u32 = 1 << 27;
/// The kinds that came later; they are drawn apart, so that the others' histories stay what they were.
pub(super) const LATER: (u32, u32) = (17, 23);
/// Those that came last, likewise.
pub(super) const LAST: (u32, u32) = (24, 27);
/// A broker's metadata lags behind the others', while leaders move.
pub(super) const STALE: u32 = 1 << 28;
/// No fault, but a manner: the user is done when so many records were accepted, not when so many were tried, and faults
/// strike while there is something to do.
pub(super) const WORK: u32 = 1 << 29;
/// Another: the user goes on calling after it has left.
pub(super) const AFTER: u32 = 1 << 30;
/// And another: settings that few change are drawn, too.
pub(super) const SETTINGS: u32 = 1 << 31;
/// Manners are in every history, unless its limit leaves them out.
pub(super) const MANNERS: u32 = WORK | AFTER | SETTINGS;
/// What strikes between requests; the others strike requests.
pub(super) const BETWEEN: u32 = CUT
    | STALL
    | REFUSE
    | MOVE
    | RESTART
    | SHRINK
    | RECREATE
    | GROW
    | CRASH
    | ADDRESS
    | LAG
    | JUMP
    | EXPIRE
    | TRUNCATE
    | LIMIT
    | KEYS
    | STALE;
/// All of them, with their names.
pub(super) const KINDS: [(u32, &str); 29] = [
    (SLOW, "slow"),
    (CUT, "cut"),
    (STALL, "stall"),
    (REFUSE, "refuse"),
    (ERROR, "error"),
    (SWALLOW, "swallow"),
    (MOVE, "move"),
    (RESTART, "restart"),
    (THROTTLE, "throttle"),
    (JUMP, "jump"),
    (RECREATE, "recreate"),
    (GROW, "grow"),
    (ABOUT, "about"),
    (SHRINK, "shrink"),
    (FINAL, "final"),
    (TRUNCATE, "truncate"),
    (LIMIT, "limit"),
    (LAG, "lag"),
    (EXPIRE, "expire"),
    (CRASH, "crash"),
    (FATAL, "fatal"),
    (MALFORM, "malform"),
    (CALLS, "calls"),
    (ADDRESS, "address"),
    (KEYS, "keys"),
    (VERSIONS, "versions"),
    (REBOOTSTRAP, "rebootstrap"),
    (TOPICS, "topics"),
    (STALE, "stale"),
];

/// The later kinds of faults of a history: often none, so that they do not hide the others.
pub(super) fn later(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, 10);
    let (first, last) = LATER;
    let mut one = || 1 << d.within(u64::from(first), u64::from(last));
    let (some, other) = (one(), one());
    match d.below(10) {
        0..=2 => 0,
        3..=5 => some,
        6 | 7 => some | other,
        _ => (d.next() & d.next()) as u32 & (u32::MAX << first) & (u32::MAX >> (31 - last)),
    }
}

/// The last kinds of faults of a history: mostly none.
pub(super) fn last(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, 14);
    let (first, last) = LAST;
    let mut one = || 1 << d.within(u64::from(first), u64::from(last));
    let (some, other) = (one(), one());
    match d.below(10) {
        0 | 1 => some,
        2 => some | other,
        _ => 0,
    }
}

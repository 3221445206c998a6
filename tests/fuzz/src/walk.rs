//! One message as the list of what a walker finds in it, whatever the pieces in which it arrives.
use kurier_core::connection::{Incoming, Piece};
use kurier_core::wire::{Damage, Item, Message, Walker, primitive::MAX_TOKEN};

/// Something found; texts are put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Int(u8, i64),
    Uuid(u8, [u8; 16]),
    Text(u8, Vec<u8>),
    /// A text whose end did not come.
    Part(u8, Vec<u8>),
    Null(u8),
    Begin(u8, u32),
    Element(u8),
    ElementEnd(u8),
    End(u8),
    Done,
    Damage(Damage),
}

/// The events of `walker` over `body`, cut at these places.
pub(crate) fn events(mut walker: Walker, body: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut list = List::new(body.len());
    let mut carried = Vec::new();
    for piece in pieces(body, cuts) {
        carried.extend_from_slice(piece);
        let mut input = carried.as_slice();
        loop {
            match walker.next(&mut input) {
                Ok(Item::NeedMore) => break,
                Ok(Item::Done) => return list.over(Event::Done),
                Ok(item) => list.take(&item),
                Err(damage) => {
                    let again = walker.next(&mut input);
                    assert_eq!(again, Err(damage), "after damage every call answers the same");
                    return list.over(Event::Damage(damage));
                }
            }
        }
        assert!(input.len() < MAX_TOKEN, "{} bytes to carry over", input.len());
        carried = input.to_vec();
    }
    panic!("neither an end nor damage though all bytes were read");
}

/// The events of an answer's frame as a link reads it: out of a window of `room` bytes, of which a read fills as much as
/// a piece has.
pub(crate) fn frame(
    message: &'static Message,
    version: i16,
    body: &[u8],
    cuts: &[usize],
    room: usize,
) -> Vec<Event> {
    let mut list = List::new(body.len());
    let mut bytes = u32::try_from(body.len() + 4).unwrap_or(0).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 9]);
    bytes.extend_from_slice(body);
    let shifted: Vec<usize> = cuts.iter().map(|cut| cut + 8).collect();
    let mut incoming = Incoming::new();
    let mut window = vec![0; room];
    for mut piece in pieces(&bytes, &shifted) {
        while !piece.is_empty() {
            let held = incoming.restore(&mut window);
            let count = piece.len().min(room - held);
            let (now, later) = piece.split_at(count);
            window[held..held + count].copy_from_slice(now);
            piece = later;
            let mut input = &window[..held + count];
            let mut item = Item::NeedMore;
            loop {
                match incoming.next(&mut input, &mut item) {
                    Ok(Piece::NeedMore) => break,
                    Ok(Piece::Answer { correlation }) => {
                        assert_eq!(correlation, 9);
                        incoming.expect(message, version);
                    }
                    Ok(Piece::Item) => list.take(&item),
                    Ok(Piece::Over) => {
                        assert!(input.is_empty() && piece.is_empty(), "an end before the frame's");
                        return list.over(Event::Done);
                    }
                    Err(kurier_core::connection::frame::Broken::Message(damage)) => {
                        return list.over(Event::Damage(damage));
                    }
                    Err(broken) => panic!("{broken:?} in a frame whose size is right"),
                }
            }
            assert!(incoming.carry(input), "{} bytes to carry over", input.len());
        }
    }
    panic!("neither an end nor damage though the whole frame was read");
}

/// `bytes` cut at these places, which are in order; an empty whole is one empty piece.
fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut all = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for cut in cuts.iter().map(|cut| (*cut).min(bytes.len())).chain([bytes.len()]) {
        all.push(&bytes[from..cut.max(from)]);
        from = cut.max(from);
    }
    all
}

struct List {
    events: Vec<Event>,
    most: usize,
    text: Option<(u8, Vec<u8>)>,
}

impl List {
    fn new(body: usize) -> Self {
        Self { events: Vec::new(), most: 4 * body + 64, text: None }
    }

    fn take(&mut self, item: &Item<'_>) {
        let event = match *item {
            Item::Int { field, value } => Event::Int(field, value),
            Item::Uuid { field, value } => Event::Uuid(field, *value),
            Item::Chunk { field, chunk, first, last, total } => {
                assert_eq!(first, self.text.is_none(), "a text begins once");
                let (_, text) = self.text.get_or_insert_with(|| (field, Vec::new()));
                text.extend_from_slice(chunk);
                assert!(text.len() <= total as usize, "a text longer than it said");
                if !last {
                    return;
                }
                assert_eq!(text.len(), total as usize, "a text shorter than it said");
                let (field, text) = self.text.take().unwrap_or_default();
                Event::Text(field, text)
            }
            Item::Null { field } => Event::Null(field),
            Item::Begin { field, count } => Event::Begin(field, count),
            Item::Element { field } => Event::Element(field),
            Item::ElementEnd { field } => Event::ElementEnd(field),
            Item::End { field } => Event::End(field),
            // Only a verbose walker tells of others, and these are plain.
            _ => panic!("{item:?} from a walker that is not verbose"),
        };
        assert!(self.text.is_none(), "{event:?} in the middle of a text");
        self.events.push(event);
        assert!(self.events.len() <= self.most, "more events than bytes could hold");
    }

    fn over(mut self, last: Event) -> Vec<Event> {
        if let Some((field, text)) = self.text {
            assert!(matches!(last, Event::Damage(_)), "an end in the middle of a text");
            self.events.push(Event::Part(field, text));
        }
        self.events.push(last);
        self.events
    }
}

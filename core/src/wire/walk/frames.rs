//! The open containers of a walk and the fields inside them.
use super::{Damage, Field, Frame, MAX_DEPTH, TAGS, Walker};

impl Walker {
    pub(super) fn field(&self, at: u8) -> Result<&'static Field, Damage> {
        self.message.field(at).ok_or(Damage::TooDeep)
    }

    /// The first field behind the struct `container`.
    pub(super) fn end_of(&self, container: u8) -> u8 {
        match self.message.field(container) {
            Some(field) => container.saturating_add(1).saturating_add(field.inside()),
            // Fewer than 128.
            None => u8::try_from(self.message.fields().len()).unwrap_or(TAGS),
        }
    }

    pub(super) fn top(&self) -> Frame {
        let [bottom, ..] = self.frames;
        self.frames.get(usize::from(self.depth)).copied().unwrap_or(bottom)
    }

    pub(super) fn set_top(&mut self, frame: Frame) {
        if let Some(top) = self.frames.get_mut(usize::from(self.depth)) {
            *top = frame;
        }
    }

    pub(super) fn go_on_at(&mut self, cursor: u8) {
        if let Some(top) = self.frames.get_mut(usize::from(self.depth)) {
            top.cursor = cursor;
        }
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Damage> {
        if usize::from(self.depth) >= MAX_DEPTH {
            return Err(Damage::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.set_top(frame);
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

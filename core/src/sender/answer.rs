//! Answers, item by item as they arrive: which request an answer belongs to, and who takes its items.
use super::links::retry_wait;
use super::{LinkSlot, Sender, learn::Learning, produced::Produced};
use crate::config::Acks;
use crate::connection::frame::{Broken, error_code, int16};
use crate::connection::link::BOOTSTRAP;
use crate::connection::{Call, Lifecycle, Piece, Request, Versions};
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Host, Slots};
use crate::idempotence::{Generation, Verdict};
use crate::long::Long;
use crate::time::Millis;
use crate::wire::Item;
use crate::wire::{ErrorCode, Message, api_versions, init_producer_id, metadata, produce};

/// What the answer that is being read has told so far.
#[derive(Debug)]
pub enum Context {
    /// No answer is being read.
    None,
    /// ApiVersions.
    Versions {
        /// The error of the whole answer.
        error: ErrorCode,
        /// The API that is being told of.
        key: i16,
        /// Its oldest version.
        oldest: i16,
        /// What we can speak so far.
        versions: Versions,
    },
    /// InitProducerId.
    Identity {
        /// The error.
        error: ErrorCode,
        /// The producer id.
        id: Long,
        /// The epoch.
        epoch: i16,
    },
    /// Metadata.
    Metadata(Learning),
    /// Produce.
    Produce(Produced),
}

/// Why a link is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The stream ended or broke.
    Stream,
    /// It could not be opened, or did not greet in time.
    Setup,
    /// A request was not answered in time.
    Timeout,
    /// What came is not an answer to what was asked, or is damaged.
    Nonsense,
    /// Its broker speaks no version that we do.
    TooOld,
    /// It was not used for long, or its slot is needed.
    Unneeded,
}

impl<H: Host> Sender<'_, H> {
    /// Reads `input` on `index`. What is not read yet is carried.
    pub(super) fn take_bytes(&mut self, index: u16, mut input: &[u8], now: Millis) -> Result<(), Loss> {
        let Some(slot) = self.link_mut(index) else { return Ok(()) };
        let mut context = core::mem::replace(&mut slot.context, Context::None);
        let result = self.read(index, &mut context, &mut input, now);
        let Some(slot) = self.link_mut(index) else { return Ok(()) };
        let carried = slot.link.incoming.carry(input);
        slot.context = context;
        match result {
            Ok(()) if carried => Ok(()),
            Ok(()) | Err(_) => Err(Loss::Nonsense),
        }
    }

    fn read(
        &mut self,
        index: u16,
        context: &mut Context,
        input: &mut &[u8],
        now: Millis,
    ) -> Result<(), Broken> {
        let mut item = Item::NeedMore;
        loop {
            let Some(slot) = self.link_mut(index) else { return Ok(()) };
            match slot.link.incoming.next(input, &mut item)? {
                Piece::NeedMore => return Ok(()),
                Piece::Answer { correlation } => {
                    let request = self.expected(index, correlation).ok_or(Broken::Size)?;
                    let message = Self::begin(&request, context);
                    if let Some(slot) = self.link_mut(index) {
                        slot.link.incoming.expect(message, i16::from(request.version));
                    }
                }
                Piece::Item => self.take_item(index, context, &item, now),
                Piece::Over => {
                    let request = self.link_mut(index).and_then(|slot| slot.link.in_flight.pop());
                    if let Some(request) = request {
                        self.answered(index, &request, context, now).map_err(|()| Broken::Size)?;
                    }
                    *context = Context::None;
                }
            }
        }
    }

    /// The request an answer belongs to: the oldest one, if it was written completely.
    fn expected(&self, index: u16, correlation: i32) -> Option<Request> {
        let link = &self.link(index)?.link;
        let its = |request: &&Request| request.correlation == correlation;
        let request =
            link.in_flight.front().filter(|r| its(r) || defect::on(Defect::CorrelationNotChecked))?;
        let unfinished = link.out.is_some_and(|out| out.correlation == correlation);
        (!unfinished).then_some(*request)
    }

    /// How to read the answer, and what it has told so far: nothing.
    fn begin(request: &Request, context: &mut Context) -> &'static Message {
        match request.call {
            Call::ApiVersions => {
                *context = Context::Versions {
                    error: ErrorCode::NONE,
                    key: -1,
                    oldest: 0,
                    versions: Versions::NONE,
                };
                &api_versions::response::MESSAGE
            }
            Call::InitProducerId => {
                *context = Context::Identity { error: ErrorCode::NONE, id: Long::new(-1), epoch: -1 };
                &init_producer_id::response::MESSAGE
            }
            Call::Metadata => {
                *context = Context::Metadata(Learning::new());
                &metadata::response::MESSAGE
            }
            Call::Produce => {
                *context = Context::Produce(Produced::new());
                &produce::response::MESSAGE
            }
        }
    }

    fn take_item(&mut self, index: u16, context: &mut Context, item: &Item<'_>, now: Millis) {
        match context {
            Context::None => {}
            Context::Versions { error, key, oldest, versions } => {
                use api_versions::response as r;
                let Item::Int { field, value } = *item else { return };
                let number = int16(value);
                match field {
                    r::ERROR_CODE => *error = error_code(value),
                    r::API_KEY => *key = number,
                    r::MIN_VERSION => *oldest = number,
                    r::MAX_VERSION => {
                        let common = |api: &crate::wire::Api| {
                            api.common(*oldest, number).and_then(|v| i8::try_from(v).ok()).unwrap_or(-1)
                        };
                        match *key {
                            k if k == produce::API.key => versions.produce = common(&produce::API),
                            k if k == metadata::API.key => versions.metadata = common(&metadata::API),
                            k if k == init_producer_id::API.key => {
                                versions.init_producer_id = common(&init_producer_id::API);
                            }
                            _ => {}
                        }
                    }
                    r::THROTTLE_TIME_MS => self.throttle(index, 2, value),
                    _ => {}
                }
            }
            Context::Identity { error, id, epoch } => {
                use init_producer_id::response as r;
                let Item::Int { field, value } = *item else { return };
                match field {
                    r::ERROR_CODE => *error = error_code(value),
                    r::PRODUCER_ID => *id = Long::new(value),
                    r::PRODUCER_EPOCH => *epoch = int16(value),
                    r::THROTTLE_TIME_MS => self.throttle(index, 1, value),
                    _ => {}
                }
            }
            Context::Metadata(learning) => self.learn_item(index, learning, item, now),
            Context::Produce(produced) => self.produced_item(index, produced, item, now),
        }
    }

    /// Takes note of a throttle time, if the answer's version is one whose throttle times count (KIP-219).
    pub(super) fn throttle(&mut self, index: u16, since: i16, millis: i64) {
        let Ok(millis) = u32::try_from(millis) else { return };
        let Some(LinkSlot { link, .. }) = self.link_mut(index) else { return };
        if link.in_flight.front().is_some_and(|request| i16::from(request.version) >= since) {
            link.silence = millis.min(crate::config::MAX_MS);
        }
    }

    /// The answer that asked for silence is complete.
    fn fall_silent(&mut self, index: u16, now: Millis) {
        let Some(LinkSlot { link, .. }) = self.link_mut(index) else { return };
        let millis = core::mem::take(&mut link.silence);
        if millis > 0 {
            link.throttle(now, millis);
            self.stats.add(|stats| &mut stats.throttle_ms, millis);
            self.stats.longest(|stats| &mut stats.throttle_max_ms, millis);
        }
    }

    /// An answer is complete.
    fn answered(&mut self, index: u16, request: &Request, context: &Context, now: Millis) -> Result<(), ()> {
        if let Some(slot) = self.link_mut(index) {
            slot.link.used = Some(now);
        }
        self.fall_silent(index, now);
        match context {
            Context::None => Ok(()),
            Context::Versions { error, versions, .. } => self.greeted(index, *error, *versions, now),
            Context::Identity { error, id, epoch } => {
                self.identified(*error, id.get(), *epoch, now);
                Ok(())
            }
            Context::Metadata(learning) => {
                self.learned(learning, now);
                Ok(())
            }
            Context::Produce(produced) => {
                self.produced(index, request, produced, now);
                Ok(())
            }
        }
    }

    fn greeted(&mut self, index: u16, error: ErrorCode, versions: Versions, now: Millis) -> Result<(), ()> {
        let too_old = feature::OLD_BROKERS && error == ErrorCode::UNSUPPORTED_VERSION;
        if !error.is_none() && !too_old {
            return Err(());
        }
        let Some(LinkSlot { link, .. }) = self.link_mut(index) else { return Ok(()) };
        // A broker that takes only version 0 may say so with an answer that has no list.
        if feature::OLD_BROKERS && versions == Versions::NONE && !error.is_none() && !link.greet_old {
            link.greet_old = true;
            link.state = Lifecycle::Greeting;
            return Ok(());
        }
        link.versions = versions;
        link.state = Lifecycle::Up;
        // One that cannot be asked for metadata will be closed when it is to be, and is no success.
        if versions.metadata >= 0 {
            link.failures = 0;
        }
        link.backing_off = false;
        link.used = Some(now);
        if link.node == BOOTSTRAP && versions.metadata >= 0 {
            self.bootstrap.failures = 0;
        }
        self.reached(index);
        self.stats.add(|stats| &mut stats.connections_opened, 1);
        Ok(())
    }

    /// As `TransactionManager.InitProducerIdHandler`: what is retriable is asked again, a refusal of rights fails what is
    /// incomplete, anything else ends the producer and is told as the cause.
    fn identified(&mut self, error: ErrorCode, id: i64, epoch: i16, now: Millis) {
        self.identifying = false;
        match error {
            ErrorCode::NONE if id >= 0 && epoch >= 0 => {
                self.generation.settle(id, epoch);
                self.identify_failures = 0;
                self.identify_at = None;
            }
            // Another broker may know what it gives.
            ErrorCode::NONE => self.identify_later(now),
            // An authorization failure fails everything incomplete; the producer may be used again once it is mended.
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
                self.refused_identity = Some(DeliveryError::Fatal(error.0));
                self.identify_later(now);
            }
            ErrorCode::INVALID_PRODUCER_EPOCH => self.end(ErrorCode::PRODUCER_FENCED),
            _ if Verdict::on(error).is_retriable() => self.identify_later(now),
            _ => self.end(error),
        }
    }

    /// The producer is over: everything incomplete fails with the cause, and so does every later call.
    pub(super) fn end(&mut self, cause: ErrorCode) {
        self.fatal = Some(DeliveryError::Fatal(cause.0));
        self.tell_fatal = true;
    }

    pub(super) fn identify_later(&mut self, now: Millis) {
        self.identifying = false;
        let wait = retry_wait(self.config, self.identify_failures, &mut self.random);
        self.identify_failures = self.identify_failures.saturating_add(1);
        self.identify_at = Some(now.plus(wait));
    }

    /// Whether batches are stamped.
    pub(super) fn is_idempotent(&self) -> bool {
        !self.generation.identity.is_unneeded()
    }

    pub(super) const fn acks(&self) -> Acks {
        self.config.acks()
    }

    pub(super) const fn generation(&self) -> &Generation {
        &self.generation
    }

    pub(super) fn links_up(&self) -> bool {
        self.links.as_slice().iter().any(|slot| slot.link.state == Lifecycle::Up)
    }
}

//! The producer's sizes and settings.
use crate::arguments::Arguments;
use crate::network::LINKS;
use kurier_core::config::Config;
use kurier_core::error::ConfigError;
use kurier_core::producer::Producer;
use kurier_core::storage::Storage;
use kurier_core::transport::Endpoint;
use static_cell::{ConstStaticCell, StaticCell};

/// Two links, four partitions, eight batches of 1 KB, two topics.
type Memory = Storage<LINKS, 4, 8, 1024>;
/// What this device has for it; more does not build.
const _: () = assert!(Memory::BYTES <= 12 * 1024);

/// CRC-32C out of a table of 1 KB.
fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = TABLE.digest_with_initial((!crc).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// A producer in statics. Once.
pub(super) fn producer(arguments: &Arguments, seed: u32) -> Result<Producer, ConfigError> {
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
    static SERVERS: StaticCell<[Endpoint<'static>; 1]> = StaticCell::new();
    static CONFIG: StaticCell<Config<'static>> = StaticCell::new();
    let servers = SERVERS.init([Endpoint { host: arguments.host, port: arguments.port }]);
    let mut config =
        Config::new(servers).client_id("kurier-firmware").linger_ms(arguments.linger).seed(u64::from(seed));
    if arguments.delivery > 0 {
        config = config.delivery_timeout_ms(arguments.delivery);
    }
    Producer::new(MEMORY.take(), CONFIG.init(config), crc32c)
}

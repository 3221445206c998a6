import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Changes and describes a cluster by lines: a JVM start costs more than a hundred of these commands.
 *
 * <p>A command is one line of words separated by tabs. The answer is any number of lines that start with a tab,
 * then one line `ok` or `error NAME: message`. End of input ends the program.
 */
public final class Admin {
    private static final int TIMEOUT_MS = 30_000;
    private final String bootstrap;
    private final org.apache.kafka.clients.admin.Admin client;
    /** What the present attempt has to say: told when it is whole, since it may be made again. */
    private final StringBuilder said = new StringBuilder();
    /** The topics that were created here and not deleted. */
    private final Set<String> created = new HashSet<>();

    private Admin(String bootstrap) {
        this.bootstrap = bootstrap;
        this.client = org.apache.kafka.clients.admin.Admin.create(properties(bootstrap));
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Admin admin = new Admin(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                admin.runUntilAnswered(line.split("\t", -1));
                out.print(admin.said);
                out.println("ok");
            } catch (Exception failure) {
                Throwable cause = cause(failure);
                String message = String.valueOf(cause.getMessage()).replace('\n', ' ');
                out.println("error " + cause.getClass().getSimpleName() + ": " + message);
            }
            out.flush();
        }
        // Threads that wait for a dead broker would keep the process for minutes.
        Runtime.getRuntime().halt(0);
    }

    private static Properties properties(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        // Short, because a paused broker takes requests and never answers; and the admin client notices a
        // request's timeout only when that of the whole call wakes it.
        properties.put("request.timeout.ms", "3000");
        properties.put("default.api.timeout.ms", "4000");
        return properties;
    }

    /**
     * Runs a command, again if no broker answered in time, or if the one that was asked has not heard yet of a
     * topic that was created here: each question may go to another broker, and some lag behind the controller.
     */
    private void runUntilAnswered(String[] words) throws Exception {
        long end = System.nanoTime() + TIMEOUT_MS * 1_000_000L;
        boolean again = false;
        while (true) {
            try {
                said.setLength(0);
                run(words);
                return;
            } catch (Exception failure) {
                Throwable cause = cause(failure);
                if (again && isDoneAlready(words[0], cause)) {
                    if (cause instanceof TopicExistsException) {
                        created.add(words[1]);
                        awaitLeaders(words[1]);
                    }
                    return;
                }
                boolean lags = cause instanceof UnknownTopicOrPartitionException && words.length > 1
                    && created.contains(words[1]);
                if (!(lags || cause instanceof TimeoutException) || System.nanoTime() > end) {
                    throw failure;
                }
                again = true;
                Thread.sleep(lags ? 20 : 0);
            }
        }
    }

    /** Whether a second attempt failed because the first one had its effect. */
    private static boolean isDoneAlready(String command, Throwable cause) {
        return switch (command) {
            case "create", "place" -> cause instanceof TopicExistsException;
            case "delete" -> cause instanceof UnknownTopicOrPartitionException;
            case "grow" -> cause instanceof InvalidPartitionsException;
            default -> false;
        };
    }

    private static Throwable cause(Exception failure) {
        return failure instanceof ExecutionException ? failure.getCause() : failure;
    }

    private void run(String[] words) throws Exception {
        switch (words[0]) {
            case "create" -> create(words);
            case "place" -> place(words);
            case "delete" -> {
                created.remove(words[1]);
                client.deleteTopics(List.of(words[1])).all().get();
            }
            case "grow" ->
                client.createPartitions(Map.of(words[1], NewPartitions.increaseTo(Integer.parseInt(words[2])))).all().get();
            case "reassign" -> reassign(partition(words), numbers(words[3]));
            case "elect" -> elect(partition(words));
            case "trim" ->
                client.deleteRecords(Map.of(partition(words), RecordsToDelete.beforeOffset(Long.parseLong(words[3]))))
                    .all().get();
            case "configure" -> configure(words);
            case "quota" -> quota(words);
            case "rule" -> client.createAcls(List.of(rule(words))).all().get();
            case "unrule" -> client.deleteAcls(List.of(rule(words).toFilter())).all().get();
            case "feature" -> feature(words[1], Short.parseShort(words[2]));
            case "list" -> client.listTopics().names().get().stream().sorted().forEach(this::say);
            case "describe" -> describe(words[1]);
            case "offsets" -> offsets(words[1]);
            case "brokers" -> brokers();
            case "controller" -> say(client.describeMetadataQuorum().quorumInfo().get().leaderId());
            case "read" -> read(partition(words), words[3], record -> say(line(record)));
            case "digest" -> digest(partition(words));
            default -> throw new IllegalArgumentException("unknown command " + words[0]);
        }
    }

    /** create NAME PARTITIONS REPLICAS [KEY=VALUE...] */
    private void create(String[] words) throws Exception {
        NewTopic topic = new NewTopic(words[1], Integer.parseInt(words[2]), Short.parseShort(words[3]));
        add(topic, words);
    }

    /** place NAME 1,2;2,3;3,1 - [KEY=VALUE...]: the replicas of each partition, the preferred leader first. */
    private void place(String[] words) throws Exception {
        Map<Integer, List<Integer>> replicas = new HashMap<>();
        for (String each : words[2].split(";")) {
            replicas.put(replicas.size(), numbers(each));
        }
        add(new NewTopic(words[1], replicas), words);
    }

    private void add(NewTopic topic, String[] words) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 4; i < words.length; i++) {
            configs.put(key(words[i]), value(words[i]));
        }
        CreateTopicsResult result = client.createTopics(List.of(topic.configs(configs)));
        result.all().get();
        created.add(words[1]);
        awaitLeaders(words[1]);
    }

    /** A topic that is created but has no leader in some broker's view yet would make tests flicker. */
    private void awaitLeaders(String topic) throws Exception {
        long end = System.nanoTime() + TIMEOUT_MS * 1_000_000L;
        while (System.nanoTime() < end) {
            try {
                List<TopicPartitionInfo> partitions = topic(topic).partitions();
                if (partitions.stream().allMatch(p -> p.leader() != null && !p.leader().isEmpty())) {
                    return;
                }
            } catch (ExecutionException notYet) {
                if (!(notYet.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw notYet;
                }
            }
            Thread.sleep(20);
        }
        throw new IllegalStateException("topic " + topic + " has partitions without a leader");
    }

    /** reassign TOPIC PARTITION 3,2: returns when it is done. */
    private void reassign(TopicPartition partition, List<Integer> replicas) throws Exception {
        NewPartitionReassignment wanted = new NewPartitionReassignment(replicas);
        client.alterPartitionReassignments(Map.of(partition, Optional.of(wanted))).all().get();
        long end = System.nanoTime() + TIMEOUT_MS * 1_000_000L;
        while (client.listPartitionReassignments(Set.of(partition)).reassignments().get().containsKey(partition)) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the reassignment of " + partition + " does not end");
            }
            Thread.sleep(20);
        }
    }

    /** elect TOPIC PARTITION: the first replica becomes the leader. */
    private void elect(TopicPartition partition) throws Exception {
        try {
            client.electLeaders(ElectionType.PREFERRED, Set.of(partition)).all().get();
        } catch (ExecutionException failure) {
            if (!(failure.getCause() instanceof ElectionNotNeededException)) {
                throw failure;
            }
        }
    }

    /** configure topic|broker NAME KEY=VALUE...; KEY= goes back to the default. */
    private void configure(String[] words) throws Exception {
        ConfigResource.Type type = ConfigResource.Type.valueOf(words[1].toUpperCase());
        List<AlterConfigOp> changes = new ArrayList<>();
        for (int i = 3; i < words.length; i++) {
            boolean delete = value(words[i]).isEmpty();
            changes.add(new AlterConfigOp(new ConfigEntry(key(words[i]), delete ? null : value(words[i])),
                delete ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET));
        }
        Map<ConfigResource, Collection<AlterConfigOp>> all = new HashMap<>();
        all.put(new ConfigResource(type, words[2]), changes);
        client.incrementalAlterConfigs(all).all().get();
    }

    /** quota CLIENT_ID KEY=VALUE...; an empty CLIENT_ID means every client, KEY= removes. */
    private void quota(String[] words) throws Exception {
        Map<String, String> entity = new HashMap<>();
        entity.put(ClientQuotaEntity.CLIENT_ID, words[1].isEmpty() ? null : words[1]);
        List<ClientQuotaAlteration.Op> changes = new ArrayList<>();
        for (int i = 2; i < words.length; i++) {
            Double limit = value(words[i]).isEmpty() ? null : Double.valueOf(value(words[i]));
            changes.add(new ClientQuotaAlteration.Op(key(words[i]), limit));
        }
        client.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(entity), changes))).all().get();
    }

    /** rule|unrule allow|deny OPERATION topic|cluster|transactional_id NAME: for clients that have no name. */
    private static AclBinding rule(String[] words) {
        AclPermissionType permission = AclPermissionType.valueOf(words[1].toUpperCase());
        AclOperation operation = AclOperation.valueOf(words[2].toUpperCase());
        ResourceType type = ResourceType.valueOf(words[3].toUpperCase());
        return new AclBinding(new ResourcePattern(type, words[4], PatternType.LITERAL),
            new AccessControlEntry("User:ANONYMOUS", "*", operation, permission));
    }

    /** feature NAME LEVEL, up or down. */
    private void feature(String name, short level) throws Exception {
        short now = Optional.ofNullable(client.describeFeatures().featureMetadata().get().finalizedFeatures().get(name))
            .map(FinalizedVersionRange::maxVersionLevel).orElse((short) 0);
        FeatureUpdate.UpgradeType direction = level < now
            ? FeatureUpdate.UpgradeType.SAFE_DOWNGRADE : FeatureUpdate.UpgradeType.UPGRADE;
        if (level != now) {
            client.updateFeatures(Map.of(name, new FeatureUpdate(level, direction)), new UpdateFeaturesOptions()).all().get();
        }
    }

    /** describe TOPIC: its id, then of each partition: number, leader or -1, replicas, replicas in sync. */
    private void describe(String name) throws Exception {
        TopicDescription topic = topic(name);
        say(topic.topicId());
        for (TopicPartitionInfo each : topic.partitions()) {
            int leader = each.leader() == null || each.leader().isEmpty() ? -1 : each.leader().id();
            say(each.partition() + "\t" + leader + "\t" + ids(each.replicas()) + "\t" + ids(each.isr()));
        }
    }

    /** offsets TOPIC: of each partition: number, first, next. */
    private void offsets(String name) throws Exception {
        for (TopicPartitionInfo each : topic(name).partitions()) {
            TopicPartition partition = new TopicPartition(name, each.partition());
            say(each.partition() + "\t" + offset(partition, OffsetSpec.earliest()) + "\t"
                + offset(partition, OffsetSpec.latest()));
        }
    }

    private long offset(TopicPartition partition, OffsetSpec which) throws Exception {
        return client.listOffsets(Map.of(partition, which)).partitionResult(partition).get().offset();
    }

    private void brokers() throws Exception {
        for (Node each : client.describeCluster().nodes().get()) {
            say(each.id() + "\t" + each.host() + ":" + each.port());
        }
    }

    /**
     * read TOPIC PARTITION ISOLATION: every record as Kafka's own consumer sees it, exactly: offset, timestamp, its
     * type, leader epoch, key, value, then name and value of each header. Bytes in hex, `-` for null.
     */
    private void read(TopicPartition partition, String isolation, Consumer<ConsumerRecord<byte[], byte[]>> see)
        throws Exception {
        Properties properties = properties(bootstrap);
        properties.put("isolation.level", isolation);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            long deadline = System.nanoTime() + 2 * TIMEOUT_MS * 1_000_000L;
            while (consumer.position(partition) < end) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("read up to " + consumer.position(partition) + " of " + end);
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    see.accept(record);
                }
            }
        }
    }

    /** How many records a partition holds, and a checksum over offset, time, key and value of each. */
    private void digest(TopicPartition partition) throws Exception {
        CRC32C sum = new CRC32C();
        long[] count = {0};
        read(partition, "read_uncommitted", record -> {
            count[0]++;
            sum.update(ByteBuffer.allocate(16).putLong(record.offset()).putLong(record.timestamp()).flip());
            for (byte[] bytes : new byte[][] {record.key(), record.value()}) {
                sum.update(ByteBuffer.allocate(4).putInt(bytes == null ? -1 : bytes.length).flip());
                if (bytes != null) {
                    sum.update(bytes);
                }
            }
        });
        say(count[0] + "\t" + sum.getValue());
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.offset()).append('\t').append(record.timestamp()).append('\t')
            .append(record.timestampType().name).append('\t').append(record.leaderEpoch().orElse(-1)).append('\t')
            .append(hex(record.key())).append('\t').append(hex(record.value()));
        for (Header header : record.headers()) {
            line.append('\t').append(hex(header.key().getBytes(StandardCharsets.UTF_8)))
                .append('\t').append(hex(header.value()));
        }
        return line.toString();
    }

    private TopicDescription topic(String name) throws Exception {
        return client.describeTopics(List.of(name)).allTopicNames().get().get(name);
    }

    private void say(Object line) {
        said.append('\t').append(line).append('\n');
    }

    private static TopicPartition partition(String[] words) {
        return new TopicPartition(words[1], Integer.parseInt(words[2]));
    }

    private static List<Integer> numbers(String list) {
        List<Integer> numbers = new ArrayList<>();
        for (String each : list.split(",")) {
            numbers.add(Integer.valueOf(each));
        }
        return numbers;
    }

    private static String ids(List<Node> nodes) {
        return String.join(",", nodes.stream().map(node -> Integer.toString(node.id())).toList());
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }

    private static String key(String pair) {
        return pair.substring(0, pair.indexOf('='));
    }

    private static String value(String pair) {
        return pair.substring(pair.indexOf('=') + 1);
    }
}

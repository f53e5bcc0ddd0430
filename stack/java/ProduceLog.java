import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes a log with Kafka's own Java producer: the oracle for partitions, compression and
 * transactions, and the fast way to bench data.
 *
 * <pre>
 * ProduceLog BOOTSTRAP TOPIC [options]
 *   --compression none|gzip|snappy|lz4|zstd   --config name=value (repeatable)
 *   --transactional ID --end commit|abort|hang   (hang: the transaction stays open until stdin ends
 *                                                 or this process is killed)
 * From stdin, one record a line until an empty line or the end, tab-separated:
 *   key (base64 or "null")  timestamp in ms  value (base64 or "null")  [name=base64,...]  [partition]
 *   prints "key TAB partition TAB offset" for each, in order (offset -1 while unknown)
 * Or made up, the same for the same seed:
 *   --generate N --keys K --key-prefix P --value-bytes B --from MS --to MS --jitter MS
 *   --wanted-key KEY --wanted-share 0.1 --event-id-header NAME --seed S
 * The last line is a summary in JSON.
 * </pre>
 */
public final class ProduceLog {
  private static final int KEYS_REPORTED = 10_000;

  private final Map<String, String> options = new HashMap<>();
  private final Properties config = new Properties();
  private final TreeMap<Integer, Long> perPartition = new TreeMap<>();
  private final Map<String, Integer> perKey = new HashMap<>();
  private final AtomicReference<Exception> failure = new AtomicReference<>();
  private long records;
  private long wanted;
  private long bytes;

  public static void main(String[] args) throws Exception {
    if (args.length < 2) {
      System.err.println("usage: ProduceLog BOOTSTRAP TOPIC [options]");
      System.exit(2);
    }
    new ProduceLog(args).run(args[1]);
  }

  private ProduceLog(String[] args) {
    config.put("bootstrap.servers", args[0]);
    config.put("acks", "all");
    config.put("linger.ms", "20");
    config.put("batch.size", "262144");
    config.put("buffer.memory", "67108864");
    config.put("max.request.size", "4194304");
    for (int i = 2; i + 1 < args.length; i += 2) {
      if (args[i].equals("--config")) {
        String[] pair = args[i + 1].split("=", 2);
        config.put(pair[0], pair[1]);
      } else {
        options.put(args[i].replaceFirst("^--", ""), args[i + 1]);
      }
    }
    if (args.length % 2 != 0) throw new IllegalArgumentException("option without a value: " + args[args.length - 1]);
    config.put("compression.type", text("compression", "none"));
    if (options.containsKey("transactional")) config.put("transactional.id", text("transactional", ""));
  }

  private void run(String topic) throws Exception {
    boolean transactional = options.containsKey("transactional");
    String end = text("end", "commit");
    BufferedReader stdin = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    long started = System.nanoTime();
    KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    if (transactional) {
      producer.initTransactions();
      producer.beginTransaction();
    }
    if (options.containsKey("generate")) generate(producer, topic);
    else copy(producer, topic, stdin);
    producer.flush();
    if (failure.get() != null) throw failure.get();
    if (transactional && end.equals("commit")) producer.commitTransaction();
    if (transactional && end.equals("abort")) producer.abortTransaction();
    System.out.println(summary((System.nanoTime() - started) / 1_000_000, transactional ? end : "none"));
    System.out.flush();
    if (transactional && end.equals("hang")) {
      while (stdin.read() != -1) continue;
      // Not close(): that would abort the transaction.
      Runtime.getRuntime().halt(0);
    }
    producer.close();
  }

  private void copy(Producer<byte[], byte[]> producer, String topic, BufferedReader stdin) throws Exception {
    List<String> keys = new ArrayList<>();
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (String line = stdin.readLine(); line != null && !line.isEmpty(); line = stdin.readLine()) {
      String[] fields = line.split("\t", -1);
      List<Header> headers = new ArrayList<>();
      if (fields.length > 3 && !fields[3].isEmpty()) {
        for (String header : fields[3].split(",")) {
          String[] pair = header.split("=", 2);
          headers.add(new RecordHeader(pair[0], decode(pair[1])));
        }
      }
      Integer partition = fields.length > 4 && !fields[4].isEmpty() ? Integer.valueOf(fields[4]) : null;
      byte[] key = decode(fields[0]);
      byte[] value = decode(fields[2]);
      bytes += value == null ? 0 : value.length;
      keys.add(fields[0]);
      sent.add(producer.send(new ProducerRecord<>(topic, partition, Long.valueOf(fields[1]), key, value, headers)));
    }
    producer.flush();
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < sent.size(); i++) {
      RecordMetadata at = sent.get(i).get();
      perPartition.merge(at.partition(), 1L, Long::sum);
      out.append(keys.get(i)).append('\t').append(at.partition()).append('\t').append(at.offset()).append('\n');
    }
    records = sent.size();
    System.out.print(out);
  }

  private void generate(Producer<byte[], byte[]> producer, String topic) {
    records = number("generate", 0);
    int keyCount = (int) number("keys", 100);
    int valueBytes = (int) number("value-bytes", 200);
    long to = number("to", System.currentTimeMillis());
    long from = number("from", to - 3_600_000);
    long jitter = number("jitter", 0);
    double share = Double.parseDouble(text("wanted-share", "0.1"));
    String wantedKey = options.get("wanted-key");
    String idHeader = options.get("event-id-header");
    long seed = number("seed", 1);
    String[] keys = new String[keyCount];
    for (int i = 0; i < keyCount; i++) keys[i] = text("key-prefix", "") + (i + 1);
    SplittableRandom random = new SplittableRandom(seed);
    byte[] noise = noise(new SplittableRandom(~seed), 1 << 20);
    for (long i = 0; i < records && failure.get() == null; i++) {
      boolean isWanted = wantedKey != null && random.nextDouble() < share;
      String key = isWanted ? wantedKey : keys[random.nextInt(keyCount)];
      long time = from + (long) ((double) i / records * (to - from));
      if (jitter > 0) time = Math.min(to, Math.max(from, time + random.nextLong(-jitter, jitter + 1)));
      String eventId = "evt_" + seed + "_" + i;
      byte[] value = value(key, eventId, time, valueBytes, noise, random.nextInt(noise.length));
      if (key.equals(wantedKey)) wanted++;
      bytes += value.length;
      Iterable<Header> headers = idHeader == null ? null : List.of(new RecordHeader(idHeader, ascii(eventId)));
      producer.send(
          new ProducerRecord<>(topic, null, time, ascii(key), value, headers),
          (at, error) -> {
            if (error != null) {
              failure.compareAndSet(null, error);
              return;
            }
            // All callbacks come from the producer's one sender thread.
            perPartition.merge(at.partition(), 1L, Long::sum);
            if (perKey.size() < KEYS_REPORTED) perKey.putIfAbsent(key, at.partition());
          });
    }
  }

  /** One JSON event of about `size` bytes; its text differs per event, so it hardly compresses. */
  private static byte[] value(String key, String id, long time, int size, byte[] noise, int start) {
    byte[] head = ascii("{\"for_user_id\":\"" + key + "\",\"id\":\"" + id + "\",\"at\":" + time + ",\"text\":\"");
    int textSize = Math.max(0, size - head.length - 2);
    byte[] value = Arrays.copyOf(head, head.length + textSize + 2);
    for (int done = 0; done < textSize; ) {
      int part = Math.min(textSize - done, noise.length - start);
      System.arraycopy(noise, start, value, head.length + done, part);
      done += part;
      start = 0;
    }
    value[value.length - 2] = '"';
    value[value.length - 1] = '}';
    return value;
  }

  private static byte[] noise(SplittableRandom random, int size) {
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    byte[] noise = new byte[size];
    for (int i = 0; i < size; i++) noise[i] = (byte) alphabet.charAt(random.nextInt(64));
    return noise;
  }

  private String summary(long millis, String transaction) {
    StringBuilder keys = new StringBuilder();
    perKey.forEach((key, partition) -> append(keys, key.replace("\\", "\\\\").replace("\"", "\\\""), partition));
    StringBuilder partitions = new StringBuilder();
    perPartition.forEach((partition, count) -> append(partitions, String.valueOf(partition), count));
    return String.format(
        "{\"records\":%d,\"wanted\":%d,\"bytes\":%d,\"millis\":%d,\"transaction\":\"%s\",\"partitions\":{%s},\"keys\":{%s}}",
        records, wanted, bytes, millis, transaction, partitions, keys);
  }

  private static void append(StringBuilder out, String name, Number value) {
    out.append(out.length() == 0 ? "" : ",").append('"').append(name).append("\":").append(value);
  }

  private static byte[] decode(String base64) {
    return base64.equals("null") ? null : Base64.getDecoder().decode(base64);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private String text(String name, String otherwise) {
    return options.getOrDefault(name, otherwise);
  }

  private long number(String name, long otherwise) {
    return options.containsKey(name) ? Long.parseLong(options.get(name)) : otherwise;
  }
}

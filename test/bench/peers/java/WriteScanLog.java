import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The log that the readers are measured on: events as JSON with text of words, which snappy packs about as it packs
 * real ones (random text would not compress at all, and decompressing it is only copying). The same for the same seed.
 *
 * <pre>
 * java -cp 'libs/*' WriteScanLog.java BOOTSTRAP TOPIC RECORDS VALUE_BYTES FROM_MS TO_MS COMMON_KEY RARE_KEY OTHER_KEYS
 * </pre>
 *
 * 10 % of the records have the common key and 0.1 % the rare one; the rest share OTHER_KEYS keys of the same length,
 * so that no reader can tell by the length alone. The last line printed is a summary in JSON.
 */
public final class WriteScanLog {
  private static final double COMMON = 0.1;
  private static final double RARE = 0.001;
  private static final int WORDS = 4096;
  private static final String[] TYPES = {"message.sent", "message.read", "follow.added", "favorite.added", "member.left"};

  private final SplittableRandom random = new SplittableRandom(1);
  private final byte[][] words = new byte[WORDS][];
  private final AtomicReference<Exception> failure = new AtomicReference<>();

  public static void main(String[] args) throws Exception {
    new WriteScanLog().run(args);
  }

  private void run(String[] args) throws Exception {
    String topic = args[1];
    long records = Long.parseLong(args[2]);
    int size = Integer.parseInt(args[3]);
    long from = Long.parseLong(args[4]);
    long to = Long.parseLong(args[5]);
    int others = Integer.parseInt(args[8]);
    for (int i = 0; i < WORDS; i++) words[i] = word();
    long common = 0;
    long rare = 0;
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(config(args[0]), new ByteArraySerializer(), new ByteArraySerializer())) {
      for (long i = 0; i < records && failure.get() == null; i++) {
        double draw = random.nextDouble();
        boolean isRare = draw < RARE;
        boolean isCommon = !isRare && draw < RARE + COMMON;
        // Drawn always, so that the text of an event does not depend on whose it is.
        String other = String.format("customer-%07d", 1_000 + random.nextInt(others));
        String key = isRare ? args[7] : isCommon ? args[6] : other;
        if (isRare) rare++;
        if (isCommon) common++;
        long time = from + (long) ((double) i / records * (to - from));
        producer.send(
            new ProducerRecord<>(topic, 0, time, ascii(key), value(key, i, time, size)),
            (at, error) -> {
              if (error != null) failure.compareAndSet(null, error);
            });
      }
      producer.flush();
    }
    if (failure.get() != null) throw failure.get();
    System.out.printf("{\"records\":%d,\"common\":%d,\"rare\":%d}%n", records, common, rare);
  }

  private static Properties config(String brokers) {
    Properties config = new Properties();
    config.put("bootstrap.servers", brokers);
    config.put("acks", "all");
    config.put("compression.type", "snappy");
    config.put("batch.size", "65536");
    config.put("linger.ms", "50");
    config.put("buffer.memory", "67108864");
    return config;
  }

  /** An event of exactly `size` bytes, or of its fixed fields when they are longer. */
  private byte[] value(String key, long number, long time, int size) {
    StringBuilder head = new StringBuilder(512);
    head.append("{\"for\":\"").append(key).append("\",\"id\":\"evt_").append(Long.toHexString(number * 0x9E3779B97F4A7C15L));
    head.append("\",\"at\":").append(time).append(",\"type\":\"").append(TYPES[random.nextInt(TYPES.length)]).append('"');
    if (size >= 600) {
      head.append(",\"lang\":\"en\",\"source\":\"web\",\"truncated\":false,\"in_reply_to\":null,\"user\":{\"id\":\"");
      head.append(random.nextInt(1 << 30)).append("\",\"verified\":").append(random.nextBoolean());
      head.append(",\"followers_count\":").append(random.nextInt(100_000)).append(",\"friends_count\":").append(random.nextInt(5_000));
      head.append(",\"created_at\":").append(time - random.nextInt(1 << 30)).append(",\"default_profile\":true,\"description\":null");
      head.append(",\"profile_image_url\":\"https://images.example.com/profile/").append(random.nextInt(1 << 20)).append("_normal.jpg\"");
      head.append(",\"protected\":false,\"location\":null,\"url\":null},\"entities\":{\"hashtags\":[],\"urls\":[],\"media\":[]}");
      head.append(",\"possibly_sensitive\":false,\"reply_count\":0,\"quote_count\":").append(random.nextInt(100));
    }
    head.append(",\"text\":\"");
    byte[] start = ascii(head.toString());
    byte[] value = Arrays.copyOf(start, Math.max(size, start.length + 2));
    int end = value.length - 2;
    for (int at = start.length; at < end; ) {
      // Common words come often, as in any language.
      double draw = random.nextDouble();
      byte[] word = words[(int) (draw * draw * draw * draw * WORDS)];
      int length = Math.min(word.length, end - at);
      System.arraycopy(word, 0, value, at, length);
      at += length;
    }
    value[end] = '"';
    value[end + 1] = '}';
    return value;
  }

  /** Letters and a blank. */
  private byte[] word() {
    byte[] word = new byte[3 + random.nextInt(8)];
    for (int i = 0; i < word.length; i++) word[i] = (byte) ('a' + random.nextInt(26));
    word[word.length - 1] = ' ';
    return word;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}

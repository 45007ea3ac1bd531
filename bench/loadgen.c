/* The load generator of the benchmarks: one thread, one core, many players.
 *
 * Every player sends a small input `rate` times a second, at a phase of its own, and is sent
 * snapshots. The generator speaks the dialects of all servers, so that they are compared under one
 * load and measured by one watch:
 *
 *   raw             length-prefixed frames on TCP, no WebSocket: the C floors
 *   bin             the same payloads in WebSocket frames: Node ws, Python websockets
 *   gs, gs-json     this project's protocol: tokens, Join, typed inputs, deltas
 *   colyseus-raw    Colyseus' room protocol around the payloads of `bin`
 *   colyseus-state  the same inputs; snapshots are patches of Colyseus' synchronised state
 *
 * Payloads of raw and bin (little endian):
 *   seat      u8 1, u8 seat                                       server → client, first
 *   input     u8 2, u32 seq, i8 dx, i8 dy, u16 aim, u8 fire, 6 x u8    16 bytes
 *   snapshot  u8 3, u32 tick, u32 ms, u8 n, n x u32 ack, then n x 20 bytes of players
 *   player    i32 x, i32 y, u16 aim, u8 health, u8 flags, u16 kills, u16 deaths, u32 shot_tick
 *
 * What is measured, for every server alike:
 *   lateness  of a snapshot: its arrival against a schedule on which ticks are 1 / tick-hz apart,
 *             set by the most punctual snapshot of this connection's last second. The number of the
 *             tick, not of the arrival, counts, so that a skipped tick is late once and not for
 *             good. A server may place its schedule as it likes, but has to keep it.
 *   latency   from sending an input to the arrival of the first snapshot that acknowledges it
 *   the CPU time of the watched processes, all their threads, over the same window; and their RSS
 *   its own CPU and punctuality: a generator that is late measures itself, and says so
 *
 * Slow readers (--slow) play and send inputs, but stop reading for good. They are spread evenly over
 * the players, announce segments of 536 bytes, so that the server's socket buffer is that of a far
 * client and not the megabytes of the loopback, and are left out of every figure but the server's
 * CPU and memory. With --join 0 sessions are opened and stay without a match.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum dialect { RAW, BIN, GS, GS_JSON, COLYSEUS_RAW, COLYSEUS_STATE };
static const char *const dialects[] = {"raw", "bin", "gs", "gs-json", "colyseus-raw",
                                       "colyseus-state"};
enum stage { CONNECTING, SECURING, HANDSHAKE, JOINING, PLAYING, CLOSED };

/* Colyseus' codes, from @colyseus/shared-types; the upper three bits are modifiers. */
enum { JOIN_ROOM = 10, COLYSEUS_ERROR = 11, ROOM_STATE = 14, ROOM_STATE_PATCH = 15,
       ROOM_DATA_BYTES = 17, CODE_MASK = 31 };

#define RING 64          /* inputs in flight whose send time is remembered */
#define RX 32768         /* bytes of one connection not yet parsed */
#define FINE_BITS 6      /* histogram: 64 buckets per doubling, from 1 us */
#define BUCKETS 2048
#define OFFSETS 128      /* snapshots of the last second, at most */
#define WATCHED 8        /* processes whose CPU and memory are read */

struct conn {
  int fd;
  enum stage stage;
  int seat;
  uint32_t seq, acked;
  uint32_t rng;
  int8_t dx, dy;
  uint16_t aim;
  uint8_t fire, slow;
  uint32_t offset_count;
  double offsets[OFFSETS]; /* arrivals of the last second, less their ticks' places */
  uint32_t have;         /* bytes in rx */
  uint64_t snapshots;
  double sent[RING];
  unsigned char *rx;
  char path[128];        /* colyseus: the seat that was reserved */
#ifdef WITH_TLS
  SSL *tls;
#endif
};

struct watched {
  int pid;
  double cpu_start, cpu_connected, cpu_before, cpu_after;
  long rss_start, rss_end;
};

static enum dialect dialect = RAW;
static const char *host = "127.0.0.1", *tokens_path, *mode = "bench", *game = "arena";
static int port, conns = 100, connect_rate = 1000, connect_window = 64, slow_readers, use_tls;
static int join_match = 1;
static double rate = 20, warmup = 4, settle = 0, seconds = 8, tick_s = 0.05;
/* Made when measuring begins, so that nobody asks the server anything any more. */
static const char *begun_path;
/* Set by SIGUSR1: the server has done what joining left behind. */
static volatile sig_atomic_t settled;
static uint32_t ticks_per_s = 20;
static struct watched watched[WATCHED];
static int watched_count;
static char **tokens;
static int token_count;
static struct conn *all;
static int ep, alive, playing, refused, closed_early, protocol_errors, odd_patches;
static int measuring;
static uint64_t inputs_sent, snapshots_got, bytes_got, send_blocked;
#define BURST 128 /* inputs sent, or sockets read, in one go: of both as many, that neither starves */
static uint64_t latency[BUCKETS], lateness[BUCKETS], own_lateness[BUCKETS];

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu_s(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void die(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fputs("loadgen: ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  exit(2);
}

/* ── the watched processes ───────────────────────────────────────────────────────────────────── */

/* User and system time of all threads, living and ended (proc(5), fields 14 and 15 of stat). */
static double process_cpu_s(int pid) {
  char path[64], text[1024];
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  char *after_name = strrchr(text, ')');
  if (!after_name || sscanf(after_name, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu",
                            &user, &system) != 2) return 0;
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long process_rss_kib(int pid) {
  char path[64], line[256];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  fclose(file);
  return kib;
}

static void watch(const char *list) {
  for (const char *at = list; *at && watched_count < WATCHED;) {
    char *end;
    watched[watched_count++].pid = (int)strtol(at, &end, 10);
    if (end == at) die("--watch takes process ids with commas");
    at = *end ? end + 1 : end;
  }
}

/* ── histograms ──────────────────────────────────────────────────────────────────────────────── */

static void observe(uint64_t *histogram, double s) {
  uint64_t us = s <= 0 ? 0 : (uint64_t)(s * 1e6);
  int index, fine = 1 << FINE_BITS;
  if (us < (uint64_t)fine) index = (int)us;
  else {
    int top = 63 - __builtin_clzll(us);
    index = fine * (top - FINE_BITS + 1) + (int)((us >> (top - FINE_BITS)) & (uint64_t)(fine - 1));
  }
  histogram[index < BUCKETS ? index : BUCKETS - 1]++;
}

static double bucket_ms(int index) { /* its upper bound */
  int fine = 1 << FINE_BITS;
  if (index < fine) return (index + 1) / 1e3;
  int doublings = index / fine - 1;
  return (double)((uint64_t)(fine + index % fine + 1) << doublings) / 1e3;
}

static double quantile(const uint64_t *histogram, double share) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < BUCKETS; i++) total += histogram[i];
  if (!total) return 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (seen >= share * total) return bucket_ms(i);
  }
  return bucket_ms(BUCKETS - 1);
}

/* ── msgpack, as far as the gs dialect needs it ──────────────────────────────────────────────── */

struct cursor { const unsigned char *at, *end; };

static uint64_t big(const unsigned char *p, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | p[i];
  return value;
}

static int need(struct cursor *c, size_t bytes) { return (size_t)(c->end - c->at) >= bytes; }

/* Read a whole number, or -1. */
static int64_t mp_int(struct cursor *c) {
  if (!need(c, 1)) return -1;
  unsigned char tag = *c->at++;
  if (tag < 0x80) return tag;
  int bytes = tag == 0xcc || tag == 0xd0 ? 1 : tag == 0xcd || tag == 0xd1 ? 2
            : tag == 0xce || tag == 0xd2 ? 4 : tag == 0xcf || tag == 0xd3 ? 8 : 0;
  if (!bytes || !need(c, bytes)) return -1;
  uint64_t value = big(c->at, bytes);
  c->at += bytes;
  return (int64_t)value;
}

static int64_t mp_array(struct cursor *c) {
  if (!need(c, 1)) return -1;
  unsigned char tag = *c->at++;
  if ((tag & 0xf0) == 0x90) return tag & 15;
  if (tag == 0xdc && need(c, 2)) { c->at += 2; return (int64_t)big(c->at - 2, 2); }
  return -1;
}

static int mp_skip_str(struct cursor *c) {
  if (!need(c, 1)) return -1;
  unsigned char tag = *c->at++;
  size_t length;
  if ((tag & 0xe0) == 0xa0) length = tag & 31;
  else if (tag == 0xd9 && need(c, 1)) length = *c->at++;
  else return -1;
  if (!need(c, length)) return -1;
  c->at += length;
  return 0;
}

/* ── output ──────────────────────────────────────────────────────────────────────────────────── */

static void drop(struct conn *c) {
  if (c->stage == CLOSED) return;
  if (c->stage == PLAYING) { playing--; closed_early += !c->slow; }
  else refused++;
  c->stage = CLOSED;
  alive--;
  close(c->fd);
}

static ssize_t write_some(struct conn *c, const void *bytes, size_t length) {
#ifdef WITH_TLS
  if (c->tls) { /* a record cut short could not be taken up again: that is an end */
    int written = SSL_write(c->tls, bytes, (int)length);
    errno = EPIPE;
    return written;
  }
#endif
  return send(c->fd, bytes, length, MSG_NOSIGNAL);
}

static ssize_t read_some(struct conn *c, void *into, size_t room) {
#ifdef WITH_TLS
  if (c->tls) {
    int got = SSL_read(c->tls, into, (int)room);
    if (got > 0) return got;
    errno = SSL_get_error(c->tls, got) == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
    return -1;
  }
#endif
  return recv(c->fd, into, room, 0);
}

static void put(struct conn *c, const void *bytes, size_t length) {
  ssize_t written = write_some(c, bytes, length);
  if (written == (ssize_t)length) return;
  /* A socket buffer holds hundreds of inputs: one that is full belongs to a stalled server. */
  if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) { send_blocked++; return; }
  drop(c);
}

static uint32_t chance(struct conn *c) {
  c->rng ^= c->rng << 13;
  c->rng ^= c->rng >> 17;
  c->rng ^= c->rng << 5;
  return c->rng;
}

static void put_message(struct conn *c, const unsigned char *payload, size_t length) {
  unsigned char frame[512];
  size_t at = 0;
  if (length > 400) die("a message of %zu bytes", length);
  if (dialect == RAW) {
    frame[at++] = length & 255;
    frame[at++] = (unsigned char)(length >> 8);
    memcpy(frame + at, payload, length);
  } else {
    uint32_t mask = chance(c);
    frame[at++] = dialect == GS_JSON ? 0x81 : 0x82;
    if (length < 126) frame[at++] = 0x80 | (unsigned char)length;
    else {
      frame[at++] = 0xfe;
      frame[at++] = (unsigned char)(length >> 8);
      frame[at++] = length & 255;
    }
    memcpy(frame + at, &mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++) frame[at + i] = payload[i] ^ ((unsigned char *)&mask)[i & 3];
  }
  put(c, frame, at + length);
}

static void send_input(struct conn *c, double now) {
  unsigned char m[96] = {0};
  size_t length = 16;
  if (c->seq % 8 == 0) { /* change one's mind every 0.4 s */
    uint32_t r = chance(c);
    c->dx = (int8_t)(r % 3) - 1;
    c->dy = (int8_t)(r / 3 % 3) - 1;
    c->fire = r / 9 % 2;
  }
  c->aim = (uint16_t)(c->aim + 700);
  uint32_t seq = ++c->seq;
  if (dialect == GS) {
    length = 0;
    m[length++] = 0x93; m[length++] = 2; m[length++] = 0xce;
    for (int shift = 24; shift >= 0; shift -= 8) m[length++] = (unsigned char)(seq >> shift);
    m[length++] = 0x94;
    m[length++] = (unsigned char)c->dx; /* -1 is msgpack's negative fixint 0xff */
    m[length++] = (unsigned char)c->dy;
    m[length++] = 0xcd; m[length++] = (unsigned char)(c->aim >> 8); m[length++] = c->aim & 255;
    m[length++] = c->fire ? 0xc3 : 0xc2;
  } else if (dialect == GS_JSON) {
    length = (size_t)snprintf((char *)m, sizeof m,
        "{\"type\":\"input\",\"seq\":%u,\"data\":[%d,%d,%u,%s]}", seq, c->dx, c->dy, c->aim,
        c->fire ? "true" : "false");
  } else {
    unsigned char *at = m;
    if (dialect >= COLYSEUS_RAW) { *at++ = ROOM_DATA_BYTES; *at++ = 0; length += 2; }
    at[0] = 2;
    memcpy(at + 1, &seq, 4);
    at[5] = (unsigned char)c->dx; at[6] = (unsigned char)c->dy;
    memcpy(at + 7, &c->aim, 2);
    at[9] = c->fire;
  }
  c->sent[seq % RING] = now;
  put_message(c, m, length);
  if (measuring) inputs_sent++;
}

static void send_handshake(struct conn *c) {
  char request[9000];
  int length;
  if (dialect == GS || dialect == GS_JSON)
    length = snprintf(request, sizeof request,
        "GET /v1/play HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: gameserver.v1.%s\r\nAuthorization: Bearer %s\r\n\r\n",
        host, port, dialect == GS ? "msgpack" : "json", tokens[c - all]);
  else
    length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        *c->path ? c->path : "/", host, port);
  if (length >= (int)sizeof request) die("a token is too long");
  put(c, request, (size_t)length);
}

static void send_join(struct conn *c) {
  unsigned char m[256];
  if (dialect == GS_JSON) {
    int length = snprintf((char *)m, sizeof m,
        "{\"type\":\"join\",\"ref\":1,\"game\":\"%s\",\"mode\":\"%s\"}", game, mode);
    put_message(c, m, (size_t)length);
    return;
  }
  size_t at = 0, name;
  m[at++] = 0x96; m[at++] = 1; m[at++] = 1;
  m[at++] = 0xa0 | (unsigned char)(name = strlen(game)); memcpy(m + at, game, name); at += name;
  m[at++] = 0xa0 | (unsigned char)(name = strlen(mode)); memcpy(m + at, mode, name); at += name;
  m[at++] = 0xa0; m[at++] = 0xc0;
  put_message(c, m, at);
}

/* ── input ───────────────────────────────────────────────────────────────────────────────────── */

static void start_playing(struct conn *c, int seat) {
  c->seat = seat;
  c->stage = PLAYING;
  playing++;
}

static void snapshot(struct conn *c, uint32_t tick, uint32_t ack, double now) {
  c->snapshots++;
  double offset = now - tick * tick_s, earliest = offset;
  c->offsets[c->offset_count++ % ticks_per_s] = offset;
  uint32_t known = c->offset_count < ticks_per_s ? c->offset_count : ticks_per_s;
  for (uint32_t i = 0; i < known; i++) if (c->offsets[i] < earliest) earliest = c->offsets[i];
  if (measuring && !c->slow) {
    snapshots_got++;
    observe(lateness, offset - earliest);
    if (ack > c->acked && c->seq - ack < RING) {
      uint32_t from = ack - c->acked < RING ? c->acked + 1 : ack;
      for (uint32_t seq = from; seq <= ack; seq++) observe(latency, now - c->sent[seq % RING]);
    }
  }
  if (ack > c->acked) c->acked = ack;
}

static void message_bin(struct conn *c, const unsigned char *p, size_t length, double now) {
  uint32_t tick, ack;
  if (length >= 2 && p[0] == 1 && c->stage == JOINING) start_playing(c, p[1]);
  else if (length >= 10 && p[0] == 3 && c->stage == PLAYING && c->seat < p[9]
           && length >= 10 + 4u * p[9]) {
    memcpy(&tick, p + 1, 4);
    memcpy(&ack, p + 10 + 4 * c->seat, 4);
    snapshot(c, tick, ack, now);
  } else protocol_errors++;
}

static void message_gs(struct conn *c, const unsigned char *p, size_t length, double now) {
  struct cursor at = {p, p + length};
  mp_array(&at);
  int64_t tag = mp_int(&at);
  if (tag == 1) { /* Welcome */
    if (join_match) send_join(c);
    else start_playing(c, 0);
  }
  else if (tag == 2) {        /* Joined: ref match game mode epoch tick rate seat */
    mp_int(&at);
    mp_skip_str(&at); mp_skip_str(&at); mp_skip_str(&at);
    mp_int(&at); mp_int(&at); mp_int(&at);
    start_playing(c, (int)mp_int(&at));
  } else if (tag == 3 || tag == 4) { /* Snapshot, Delta: epoch tick ms acks */
    mp_int(&at);
    int64_t tick = mp_int(&at);
    mp_int(&at);
    int64_t count = mp_array(&at), ack = 0;
    for (int64_t seat = 0; seat <= c->seat && seat < count; seat++) ack = mp_int(&at);
    if (tick < 0 || ack < 0) protocol_errors++;
    else snapshot(c, (uint32_t)tick, (uint32_t)ack, now);
  } else if (tag == 6) protocol_errors++;
}

/* A whole number after `key`, or -1; *after, if given, is set behind it. */
static int64_t json_int(const char *text, const char *key, const char **after) {
  const char *at = strstr(text, key);
  if (!at) return -1;
  char *end;
  int64_t value = strtoll(at + strlen(key), &end, 10);
  if (end == at + strlen(key)) return -1;
  if (after) *after = end;
  return value;
}

static void message_json(struct conn *c, unsigned char *p, size_t length, double now) {
  unsigned char behind = p[length]; /* rx has room for it */
  const char *text = (char *)p;
  p[length] = 0;
  if (strstr(text, "\"type\":\"welcome\"")) {
    if (join_match) send_join(c);
    else start_playing(c, 0);
  }
  else if (strstr(text, "\"type\":\"joined\""))
    start_playing(c, (int)json_int(text, "\"seat\":", NULL));
  else if (strstr(text, "\"type\":\"snapshot\"") || strstr(text, "\"type\":\"delta\"")) {
    const char *at;
    int64_t tick = json_int(text, "\"tick\":", NULL);
    int64_t ack = json_int(text, "\"acks\":[", &at);
    for (int seat = 0; seat < c->seat && ack >= 0 && *at == ','; seat++)
      ack = strtoll(at + 1, (char **)&at, 10);
    if (tick < 0 || ack < 0) protocol_errors++;
    else snapshot(c, (uint32_t)tick, (uint32_t)ack, now);
  } else if (strstr(text, "\"type\":\"error\"")) protocol_errors++;
  p[length] = behind;
}

static void message_colyseus(struct conn *c, const unsigned char *p, size_t length, double now) {
  static const unsigned char confirm[] = {JOIN_ROOM};
  int code = length ? p[0] & CODE_MASK : 0;
  if (code == JOIN_ROOM) put_message(c, confirm, sizeof confirm);
  else if (code == ROOM_DATA_BYTES && length > 2) message_bin(c, p + 2, length - 2, now);
  else if (code == ROOM_STATE && c->stage == JOINING) start_playing(c, 0);
  else if (code == ROOM_STATE_PATCH) {
    /* The server's state has `tick` (uint32) as its first field and changes it first, so a patch
     * begins with: replace field 0 of the root. Acknowledgements are further in, and not read. */
    uint32_t tick;
    const unsigned char *at = p + 1;
    if (length >= 3 && at[0] == 255 && at[1] == 0) at += 2; /* "of the root", said in words */
    if (c->stage != PLAYING || (size_t)(p + length - at) < 5 || at[0] != 0x80) {
      odd_patches++;
      return;
    }
    memcpy(&tick, at + 1, 4);
    snapshot(c, tick, 0, now);
  } else if (code == COLYSEUS_ERROR) protocol_errors++;
}

/* Cut what has arrived into messages; returns the bytes used, or -1 for a breach. */
static long parse(struct conn *c, double now) {
  size_t at = 0;
  while (c->stage != CLOSED) {
    unsigned char *p = c->rx + at;
    size_t have = c->have - at, head, length;
    if (c->stage == HANDSHAKE) {
      unsigned char *end = memmem(p, have, "\r\n\r\n", 4);
      if (!end) break;
      if (have < 12 || memcmp(p + 9, "101", 3)) {
        if (!refused) fprintf(stderr, "loadgen: refused: %.120s\n", p);
        return -1;
      }
      at += (size_t)(end - p) + 4;
      c->stage = JOINING;
      continue;
    }
    if (have < 2) break;
    if (dialect == RAW) {
      head = 2;
      length = p[0] | (size_t)p[1] << 8;
    } else {
      head = 2;
      length = p[1] & 127;
      if (length == 126) { if (have < 4) break; head = 4; length = big(p + 2, 2); }
      else if (length == 127) { if (have < 10) break; head = 10; length = big(p + 2, 8); }
    }
    if (head + length > RX) return -1;
    if (have < head + length) break;
    int opcode = dialect == RAW ? 2 : p[0] & 15;
    if (opcode == 1 || opcode == 2) {
      if (dialect == GS) message_gs(c, p + head, length, now);
      else if (dialect == GS_JSON) message_json(c, p + head, length, now);
      else if (dialect >= COLYSEUS_RAW) message_colyseus(c, p + head, length, now);
      else message_bin(c, p + head, length, now);
    } else if (opcode == 8) return -1;
    else if (opcode == 9) { /* answer a ping: an empty masked pong is taken as a sign of life */
      unsigned char pong[140] = {0x8a, 0x80 | (unsigned char)(length & 127)};
      if (length < 126) {
        memcpy(pong + 6, p + head, length);
        put(c, pong, 6 + length);
      }
    }
    at += head + length;
  }
  return (long)at;
}

static int read_once(struct conn *c) { /* whether there may be more */
  double now = now_s();
  ssize_t got = read_some(c, c->rx + c->have, RX - c->have);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (got <= 0) { drop(c); return 0; }
  if (measuring) bytes_got += (uint64_t)got;
  c->have += (uint32_t)got;
  long used = parse(c, now);
  if (used < 0) { drop(c); return 0; }
  if (c->stage == CLOSED) return 0;
  c->have -= (uint32_t)used;
  if (c->have && used) memmove(c->rx, c->rx + used, c->have);
  return use_tls; /* records that were already taken from the socket do not wake epoll */
}

static void readable(struct conn *c) {
  while (read_once(c)) continue;
}

#ifdef WITH_TLS
static SSL_CTX *tls_context;

static void secure(struct conn *c) {
  if (!tls_context) {
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL); /* the server is on this machine */
    SSL_CTX_set_mode(tls_context, SSL_MODE_RELEASE_BUFFERS);
  }
  if (!c->tls) {
    c->tls = SSL_new(tls_context);
    SSL_set_fd(c->tls, c->fd);
  }
  int done = SSL_connect(c->tls);
  if (done == 1) { c->stage = HANDSHAKE; send_handshake(c); }
  else if (SSL_get_error(c->tls, done) != SSL_ERROR_WANT_READ) drop(c);
}
#else
static void secure(struct conn *c) { drop(c); }
#endif

static struct sockaddr_in server_address(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) die("--host takes an IPv4 address");
  return to;
}

/* The text after "key":" up to the next quotation mark. */
static int json_text(const char *text, const char *key, char *into, size_t room) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
  const char *at = strstr(text, quoted);
  size_t length = at ? strcspn(at += strlen(quoted), "\"") : 0;
  if (!length || length >= room) return -1;
  memcpy(into, at, length);
  into[length] = 0;
  return 0;
}

/* Colyseus: reserve a seat over HTTP, as its clients do. Blocking: only while players connect. */
static void reserve_seat(struct conn *c) {
  char text[4096], process[32], room[32], session[32];
  struct sockaddr_in to = server_address();
  struct timeval patience = {.tv_sec = 10};
  int fd = socket(AF_INET, SOCK_STREAM, 0), length;
  if (fd < 0) die("socket: %s", strerror(errno));
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect: %s", strerror(errno));
  length = snprintf(text, sizeof text,
      "POST /matchmake/joinOrCreate/%s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\nConnection: close\r\n\r\n{}", game, host, port);
  if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length) die("matchmaking: %s", strerror(errno));
  size_t have = 0;
  for (ssize_t got; have < sizeof text - 1; have += (size_t)got)
    if ((got = recv(fd, text + have, sizeof text - 1 - have, 0)) <= 0) break;
  close(fd);
  text[have] = 0;
  if (json_text(text, "processId", process, sizeof process) ||
      json_text(text, "roomId", room, sizeof room) ||
      json_text(text, "sessionId", session, sizeof session)) die("matchmaking said: %.300s", text);
  snprintf(c->path, sizeof c->path, "/%s/%s?sessionId=%s", process, room, session);
}

static void open_conn(struct conn *c) {
  struct sockaddr_in to = server_address();
  if (dialect >= COLYSEUS_RAW) reserve_seat(c);
  int yes = 1, small = 4096, segment = 536;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket: %s", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (c->slow) {
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
    die("connect: %s", strerror(errno));
  c->rx = malloc(RX + 1);
  c->rng = 2463534242u + (uint32_t)(c - all) * 2654435761u;
  c->stage = CONNECTING;
  alive++;
  struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static void connected(struct conn *c) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) { drop(c); return; }
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
  if (dialect == RAW) c->stage = JOINING;
  else if (use_tls) { c->stage = SECURING; secure(c); }
  else { c->stage = HANDSHAKE; send_handshake(c); }
}

static void wait_events(double timeout_s) {
  struct epoll_event events[BURST];
  struct timespec wait = {0, timeout_s > 0 ? (long)(timeout_s * 1e9) : 0};
  int count = epoll_pwait2(ep, events, BURST, &wait, NULL);
  for (int i = 0; i < count; i++) {
    struct conn *c = events[i].data.ptr;
    if (c->stage == CLOSED) continue;
    if (c->stage == CONNECTING) { connected(c); continue; }
    if (c->stage == SECURING) { secure(c); continue; }
    if (c->slow && c->stage == PLAYING) { /* a slow reader stops reading for good */
      epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
      continue;
    }
    readable(c);
  }
}

static void load_tokens(void) {
  FILE *file = fopen(tokens_path, "r");
  if (!file) die("%s: %s", tokens_path, strerror(errno));
  char line[9000];
  tokens = calloc((size_t)conns, sizeof *tokens);
  while (token_count < conns && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\r\n")] = 0;
    if (*line) tokens[token_count++] = strdup(line);
  }
  fclose(file);
  if (token_count < conns) die("%d tokens for %d players", token_count, conns);
}

static void usage(void) {
  die("--port N [--host A] [--dialect raw|bin|gs|gs-json|colyseus-raw|colyseus-state] [--conns N]\n"
      "         [--rate HZ] [--tick-hz HZ] [--warmup S] [--settle S] [--begun FILE] [--seconds S] [--connect-rate N]\n"
      "         [--connect-window N] [--slow N] [--join 0|1] [--tokens FILE] [--game G]\n"
      "         [--mode M] [--watch PID,PID] [--tls 1, if built with -DWITH_TLS and OpenSSL]");
}

static void read_options(int argc, char **argv) {
  for (int i = 1; i < argc; i += 2) {
    const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!value) usage();
    if (!strcmp(key, "--host")) host = value;
    else if (!strcmp(key, "--port")) port = atoi(value);
    else if (!strcmp(key, "--dialect")) {
      int at = COLYSEUS_STATE;
      while (at >= 0 && strcmp(value, dialects[at])) at--;
      if (at < 0) usage();
      dialect = (enum dialect)at;
    }
    else if (!strcmp(key, "--conns")) conns = atoi(value);
    else if (!strcmp(key, "--rate")) rate = atof(value);
    else if (!strcmp(key, "--tick-hz")) ticks_per_s = (uint32_t)atoi(value);
    else if (!strcmp(key, "--warmup")) warmup = atof(value);
    else if (!strcmp(key, "--settle")) settle = atof(value);
    else if (!strcmp(key, "--begun")) begun_path = value;
    else if (!strcmp(key, "--seconds")) seconds = atof(value);
    else if (!strcmp(key, "--connect-rate")) connect_rate = atoi(value);
    else if (!strcmp(key, "--connect-window")) connect_window = atoi(value);
    else if (!strcmp(key, "--slow")) slow_readers = atoi(value);
    else if (!strcmp(key, "--join")) join_match = atoi(value);
    else if (!strcmp(key, "--tokens")) tokens_path = value;
    else if (!strcmp(key, "--game")) game = value;
    else if (!strcmp(key, "--mode")) mode = value;
    else if (!strcmp(key, "--watch")) watch(value);
#ifdef WITH_TLS
    else if (!strcmp(key, "--tls")) use_tls = atoi(value);
#endif
    else usage();
  }
  if (!port || conns < 1 || conns > 60000 || rate <= 0 || connect_rate < 1 || connect_window < 1 ||
      ticks_per_s < 1 || ticks_per_s > OFFSETS || strlen(game) > 31 || strlen(mode) > 31) usage();
  tick_s = 1.0 / ticks_per_s;
}

/* At a steady pace, and never more than a window of them unfinished, so that a listen queue does
 * not overflow; then wait until everyone has a seat. Returns how long that took. */
static double connect_all(void) {
  double began = now_s(), deadline = began + 15 + 10.0 * conns / connect_rate + conns / 50.0;
  for (int i = 0; i < conns && now_s() < deadline;) {
    while (i < conns && i < (now_s() - began) * connect_rate + 1 && alive - playing < connect_window) {
      all[i].slow = (int64_t)(i + 1) * slow_readers / conns > (int64_t)i * slow_readers / conns;
      open_conn(&all[i++]);
    }
    wait_events(0.001);
  }
  deadline = now_s() + 15;
  while (playing < conns && alive && now_s() < deadline) wait_events(0.001);
  return now_s() - began;
}

static void on_settled(int number) {
  (void)number;
  settled = 1;
}

/* Player i's k-th input is due at start + (k + i / conns) / rate. With --settle the warm-up goes on,
 * so many seconds at most, until a SIGUSR1 comes after its regular end. */
static void play(double *cpu, double *wall) {
  double start = now_s(), measure_at = start + warmup, end = measure_at + settle + seconds;
  double period = 1 / rate, cpu_before = 0, wall_before = 0;
  uint64_t due = 0;
  while (alive) {
    double now = now_s();
    if (now >= end) break;
    if (!measuring && now < measure_at) settled = 0;
    if (!measuring && now >= measure_at && (settled || now >= measure_at + settle)) {
      measuring = 1;
      end = now + seconds;
      if (begun_path) {
        FILE *begun = fopen(begun_path, "w");
        if (!begun || fclose(begun)) die("%s cannot be written", begun_path);
      }
      for (int i = 0; i < watched_count; i++) watched[i].cpu_before = process_cpu_s(watched[i].pid);
      cpu_before = cpu_s();
      wall_before = now;
    }
    /* Inputs that the time before has left over are nobody's: a player who was held up goes on from
     * now. While it is measured none is left out, and each late one is counted. */
    if (!measuring && now - (start + (double)due / conns * period) > period)
      due = (uint64_t)((now - start) / period * conns);
    for (int burst = 0; burst < BURST; burst++) {
      double at = start + (double)due / conns * period;
      if (at > now) break;
      struct conn *c = &all[due % (uint64_t)conns];
      if (c->stage == PLAYING && join_match) {
        if (measuring) observe(own_lateness, now - at);
        send_input(c, now);
      }
      due++;
    }
    /* Half a millisecond at least, so that inputs go out and snapshots come in by the handful. */
    double left = start + (double)due / conns * period - now_s();
    wait_events(left < 0 ? 0 : left < 0.0005 ? 0.0005 : 0.001);
  }
  for (int i = 0; i < watched_count; i++) {
    watched[i].cpu_after = process_cpu_s(watched[i].pid);
    watched[i].rss_end = process_rss_kib(watched[i].pid);
  }
  *wall = measuring ? now_s() - wall_before : 0;
  *cpu = cpu_s() - cpu_before;
}

static void print_report(int seated, double connect_s, double cpu, double wall) {
  double busy = wall > 0 ? cpu / wall : 0, own = quantile(own_lateness, 0.99);
  printf("{\"players\": %d, \"seated\": %d, \"connect_s\": %.3f, \"seconds\": %.3f, \"inputs\": %lu, "
         "\"snapshots\": %lu, \"bytes\": %lu, ",
         conns, seated, connect_s, wall, inputs_sent, snapshots_got, bytes_got);
  printf("\"latency_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, "
         "\"lateness_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f}, ",
         quantile(latency, 0.5), quantile(latency, 0.99), quantile(latency, 1),
         quantile(lateness, 0.5), quantile(lateness, 0.99), quantile(lateness, 0.999),
         quantile(lateness, 1));
  printf("\"refused\": %d, \"closed_early\": %d, \"protocol_errors\": %d, \"odd_patches\": %d, "
         "\"send_blocked\": %lu, \"watched\": [",
         refused, closed_early, protocol_errors, odd_patches, send_blocked);
  for (int i = 0; i < watched_count; i++) {
    struct watched *w = &watched[i];
    printf("%s{\"pid\": %d, \"connect_cpu_s\": %.3f, \"cpu_s\": %.3f, \"rss_start_kib\": %ld, "
           "\"rss_end_kib\": %ld}", i ? ", " : "", w->pid, w->cpu_connected - w->cpu_start,
           w->cpu_after - w->cpu_before, w->rss_start, w->rss_end);
  }
  printf("], \"generator\": {\"cpu\": %.3f, \"late_p99_ms\": %.3f, \"bottleneck\": %s}}\n", busy, own,
         own > 5 || busy > 0.95 ? "true" : "false");
}

int main(int argc, char **argv) {
  double cpu = 0, wall = 0;
  read_options(argc, argv);
  if (dialect == GS || dialect == GS_JSON) { if (!tokens_path) die("--tokens is needed"); load_tokens(); }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, on_settled);
  ep = epoll_create1(0);
  all = calloc((size_t)conns, sizeof *all);
  for (int i = 0; i < watched_count; i++) {
    watched[i].cpu_start = process_cpu_s(watched[i].pid);
    watched[i].rss_start = process_rss_kib(watched[i].pid);
  }
  double connect_s = connect_all();
  for (int i = 0; i < watched_count; i++) watched[i].cpu_connected = process_cpu_s(watched[i].pid);
  int seated = playing;
  fprintf(stderr, "loadgen: %d of %d playing after %.2f s\n", seated, conns, connect_s);
  play(&cpu, &wall);
  print_report(seated, connect_s, cpu, wall);
  return seated == conns && !closed_early ? 0 : 1;
}

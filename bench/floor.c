/* The floors of the benchmark: what the machine needs at least, without WebSocket, in C.
 *
 *   floor epoll PORT   woken by epoll for every input: how servers are usually written
 *   floor tick  PORT   reads every socket once, at its room's tick: the least there is, because an
 *                      input that is used at the tick need not wake anyone before it
 *
 * Rooms of 8; a trivial step (positions follow the last input); one 200-byte snapshot per room and
 * tick, written to each player. Rooms' ticks are spread over the period. Payloads: see loadgen.c.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SEATS = 8, PLAYER = 20, HEAD = 10, ROOMS = 8192, RX = 1024 };

struct player {
  int fd, used;
  uint32_t ack;
  int32_t x, y;
  int8_t dx, dy;
  uint16_t aim;
  uint8_t fire;
  uint32_t have;
  unsigned char rx[RX];
};

struct room {
  int count;
  uint32_t tick;
  double due;
  struct player players[SEATS];
};

static struct room *rooms[ROOMS];
static int room_count, ep, by_tick;
static const double period = 0.05;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void gone(struct player *p) {
  close(p->fd);
  p->used = 0;
}

static void read_inputs(struct player *p) {
  ssize_t got = recv(p->fd, p->rx + p->have, RX - p->have, 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (got <= 0) { gone(p); return; }
  p->have += (uint32_t)got;
  uint32_t at = 0;
  while (p->have - at >= 2) {
    uint32_t length = p->rx[at] | (uint32_t)p->rx[at + 1] << 8;
    if (length > RX - 2) { gone(p); return; }
    if (p->have - at < 2 + length) break;
    unsigned char *m = p->rx + at + 2;
    if (length == 16 && m[0] == 2) {
      memcpy(&p->ack, m + 1, 4);
      p->dx = (int8_t)m[5];
      p->dy = (int8_t)m[6];
      memcpy(&p->aim, m + 7, 2);
      p->fire = m[9];
    }
    at += 2 + length;
  }
  p->have -= at;
  if (p->have && at) memmove(p->rx, p->rx + at, p->have);
}

static void tick(struct room *room) {
  unsigned char out[2 + HEAD + SEATS * (4 + PLAYER)];
  int n = room->count;
  uint32_t length = (uint32_t)(HEAD + n * (4 + PLAYER)), ms = (uint32_t)(now_s() * 1e3);
  if (by_tick)
    for (int i = 0; i < n; i++) if (room->players[i].used) read_inputs(&room->players[i]);
  room->tick++;
  out[0] = length & 255;
  out[1] = (unsigned char)(length >> 8);
  out[2] = 3;
  memcpy(out + 3, &room->tick, 4);
  memcpy(out + 7, &ms, 4);
  out[11] = (unsigned char)n;
  for (int i = 0; i < n; i++) {
    struct player *p = &room->players[i];
    unsigned char *body = out + 12 + 4 * n + PLAYER * i;
    p->x += 44 * p->dx;
    p->y += 44 * p->dy;
    memcpy(out + 12 + 4 * i, &p->ack, 4);
    memset(body, 0, PLAYER);
    memcpy(body, &p->x, 4);
    memcpy(body + 4, &p->y, 4);
    memcpy(body + 8, &p->aim, 2);
    body[10] = p->fire;
  }
  for (int i = 0; i < n; i++) {
    struct player *p = &room->players[i];
    if (p->used && send(p->fd, out, length + 2, MSG_NOSIGNAL) < 0 && errno != EAGAIN) gone(p);
  }
}

static void take(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct room *room = room_count ? rooms[room_count - 1] : NULL;
    if (!room || room->count == SEATS) {
      if (room_count == ROOMS) { close(fd); continue; }
      room = rooms[room_count] = calloc(1, sizeof *room);
      /* The golden ratio spreads any number of rooms evenly over the period. */
      double phase = room_count * 0.6180339887498949;
      room->due = now_s() + period * (phase - (long)phase);
      room_count++;
    }
    struct player *p = &room->players[room->count];
    p->fd = fd;
    p->used = 1;
    unsigned char seat[4] = {2, 0, 1, (unsigned char)room->count++};
    send(fd, seat, sizeof seat, MSG_NOSIGNAL);
    if (!by_tick) {
      struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3 || (strcmp(argv[1], "epoll") && strcmp(argv[1], "tick"))) {
    fputs("usage: floor epoll|tick PORT\n", stderr);
    return 2;
  }
  by_tick = !strcmp(argv[1], "tick");
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) {
    perror("floor");
    return 1;
  }
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  puts("ready");
  fflush(stdout);
  for (;;) {
    double now = now_s(), next = now + 0.05;
    for (int i = 0; i < room_count; i++) {
      struct room *room = rooms[i];
      if (room->due <= now) {
        tick(room);
        room->due += period;
        if (room->due < now - 3 * period) room->due = now; /* far behind: skip time */
      }
      if (room->due < next) next = room->due;
    }
    double left = next - now_s();
    struct timespec wait = {0, left > 0 ? (long)(left * 1e9) : 0};
    struct epoll_event events[256];
    int count = epoll_pwait2(ep, events, 256, &wait, NULL);
    for (int i = 0; i < count; i++) {
      struct player *p = events[i].data.ptr;
      if (!p) take(listener);
      else if (p->used) read_inputs(p);
    }
  }
}

/* HTTPS as few do it, by OpenSSL's shared library; EAVES_WAY says how:
 *
 *   odd server PORT LOG CERTIFICATE KEY
 *   odd client ADDRESS:PORT PLAN CONNECTIONS keep|close
 *
 * bytes        what comes is read one byte at a time
 * peek         looked at before it is read; SSL_read_ex and SSL_write_ex
 * retry        sockets that do not block, and hold little
 * renegotiate  another handshake before every third request (TLS 1.2)
 * resume       sessions go on over other conns
 * fork         a child serves the session that its parent began
 * seccomp      the same, with few system calls left: any other kills it */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answer.h"

enum { ONE_BY_ONE = 2048, ROOM = 512 * 1024 };

struct conn {
    SSL *ssl;
    int fd, port;
    size_t have, read;
    char bytes[ROOM];
};

static const char *way;
static SSL_CTX *context;
static int logged;

static int is(const char *name) { return strcmp(way, name) == 0; }

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(3);
}

/* Whether the call is to be made again, once the socket is ready. */
static int again(struct conn *c, int result) {
    int why = SSL_get_error(c->ssl, result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return 0;
    struct pollfd one = {c->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, 0};
    poll(&one, 1, 10000);
    return 1;
}

static int more(struct conn *c) {
    char *at = c->bytes + c->have;
    size_t room = ROOM - 1 - c->have, len = 0;
    if (is("bytes") && c->read++ < ONE_BY_ONE) room = 1;
    if (is("peek")) {
        static __thread char ahead[100];
        if (SSL_peek(c->ssl, ahead, sizeof ahead) <= 0) return 0;
        if (SSL_read_ex(c->ssl, at, room, &len) != 1) return 0;
    } else {
        int got;
        do got = SSL_read(c->ssl, at, room);
        while (got <= 0 && again(c, got));
        if (got <= 0) return 0;
        len = got;
    }
    c->have += len;
    at[len] = 0;
    return 1;
}

static int put(struct conn *c, const char *bytes, size_t len) {
    size_t sent;
    if (len == 0) return 1;
    if (is("peek")) return SSL_write_ex(c->ssl, bytes, len, &sent) == 1 && sent == len;
    int done;
    do done = SSL_write(c->ssl, bytes, len);
    while (done <= 0 && again(c, done));
    return done == (int)len;
}

/* Bytes of the head of the next message, which has no body without a length; 0 at the end. */
static size_t message(struct conn *c, int bodiless, size_t *body) {
    char *end;
    c->read = 0;
    c->bytes[c->have] = 0;
    while (!(end = strstr(c->bytes, "\r\n\r\n")))
        if (!more(c)) return 0;
    size_t head = end + 4 - c->bytes;
    end[2] = 0;
    char *length = field(c->bytes, "content-length:");
    *body = length && !bodiless ? strtoul(length, NULL, 10) : 0;
    while (c->have < head + *body)
        if (!more(c)) return 0;
    return head;
}

static void forget(struct conn *c, size_t bytes) {
    c->have -= bytes;
    memmove(c->bytes, c->bytes + bytes, c->have);
}

static int answer(struct conn *c) {
    static __thread char response[ROOM];
    char line[512];
    struct answered to;
    size_t body, head = message(c, 0, &body);
    if (head == 0) return 0;
    size_t len = respond(c->bytes, response, sizeof response, &to);
    int closing = !!field(c->bytes, "connection: close");
    if (!put(c, response, len)) return 0;
    int written =
        snprintf(line, sizeof line, "%s\t%s\t%d\t%zu\t%d\n", to.method, to.target, to.status, to.size, c->port);
    if (write(logged, line, written) != written) fail("log");
    forget(c, head + body);
    return !closing;
}

/* From here on the kernel kills this process at any call but these. */
static void wall_in(void) {
    static const int allowed[] = {SYS_read,  SYS_write,  SYS_close, SYS_brk,  SYS_mmap,       SYS_munmap,
                                  SYS_futex, SYS_madvise, SYS_mremap, SYS_exit, SYS_exit_group, SYS_rt_sigreturn};
    enum { COUNT = sizeof allowed / sizeof *allowed };
    struct sock_filter code[COUNT + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (int n = 0; n < COUNT; n++)
        code[n + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[n], COUNT - n, 0);
    code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {COUNT + 3, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) fail("seccomp");
}

static struct conn *begin(int fd) {
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->ssl = SSL_new(context);
    SSL_set_fd(c->ssl, fd);
    if (is("retry")) {
        int little = 4096;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return c;
}

static void drop(struct conn *c) {
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

static void *serve(void *of) {
    struct conn *c = of;
    int done;
    do done = SSL_accept(c->ssl);
    while (done <= 0 && again(c, done));
    int child = is("fork") || is("seccomp");
    if (done == 1 && child && fork() > 0) {
        drop(c);
        return NULL;
    }
    if (done == 1 && is("seccomp")) wall_in();
    while (done == 1 && answer(c)) {}
    if (done == 1) SSL_shutdown(c->ssl);
    if (done == 1 && child) _exit(0);
    drop(c);
    return NULL;
}

static void server(char **words) {
    logged = open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
    context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_file(context, words[3], SSL_FILETYPE_PEM) != 1) fail("certificate");
    if (SSL_CTX_use_PrivateKey_file(context, words[4], SSL_FILETYPE_PEM) != 1) fail("key");
    SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))}, peer;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 256)) fail("listen");
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        socklen_t len = sizeof peer;
        int fd = accept(listener, (struct sockaddr *)&peer, &len);
        if (fd < 0) continue;
        struct conn *c = begin(fd);
        c->port = ntohs(peer.sin_port);
        pthread_t thread;
        if (is("fork") || is("seccomp")) serve(c);
        else if (pthread_create(&thread, NULL, serve, c) == 0) pthread_detach(thread);
    }
}

static struct sockaddr_in place;
static int keeps, reused;
static FILE *plan;
static SSL_SESSION *kept;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct conn *open_conn(void) {
    struct conn *c = begin(-1);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&place, sizeof place)) fail("connect");
    if (is("retry")) fcntl(c->fd, F_SETFL, O_NONBLOCK);
    SSL_set_fd(c->ssl, c->fd);
    pthread_mutex_lock(&lock);
    if (kept) SSL_set_session(c->ssl, kept);
    pthread_mutex_unlock(&lock);
    int done;
    do done = SSL_connect(c->ssl);
    while (done <= 0 && again(c, done));
    if (done != 1) fail("handshake");
    if (SSL_session_reused(c->ssl)) __atomic_fetch_add(&reused, 1, __ATOMIC_RELAXED);
    return c;
}

static void ask(struct conn *c, char *line) {
    static __thread char request[ROOM];
    char method[16], target[256];
    size_t size, body;
    int chunked, conditional;
    if (sscanf(line, "%15s %255s %zu %d %d", method, target, &size, &chunked, &conditional) != 5) fail(line);
    int len = snprintf(request, 1024, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s", method, target,
                       conditional ? "If-None-Match: *\r\n" : "", keeps ? "" : "Connection: close\r\n");
    if (size) len += snprintf(request + len, 64, "Content-Length: %zu\r\n", size);
    len += snprintf(request + len, 8, "\r\n");
    len += fill(request + len, size);
    if (!put(c, request, len)) fail("request");
    size_t head = message(c, strcmp(method, "HEAD") == 0, &body);
    if (head == 0) fail("response");
    forget(c, head + body);
}

static void *work(void *of) {
    char line[512];
    struct conn *c = NULL;
    for (int number = 0;; number++) {
        pthread_mutex_lock(&lock);
        char *got = fgets(line, sizeof line, plan);
        pthread_mutex_unlock(&lock);
        if (!got) break;
        if (!c) c = open_conn();
        if (is("renegotiate") && number % 3 == 2 && (SSL_renegotiate(c->ssl) != 1 || SSL_do_handshake(c->ssl) != 1))
            fail("renegotiation");
        ask(c, line);
        if (keeps) continue;
        if (is("resume")) {
            pthread_mutex_lock(&lock);
            if (!kept) kept = SSL_get1_session(c->ssl);
            pthread_mutex_unlock(&lock);
        }
        SSL_shutdown(c->ssl);
        drop(c);
        c = NULL;
    }
    if (c) SSL_shutdown(c->ssl), drop(c);
    return of;
}

static int client(char **words) {
    pthread_t threads[16];
    int count = atoi(words[3]);
    keeps = strcmp(words[4], "keep") == 0;
    plan = fopen(words[2], "r");
    context = SSL_CTX_new(TLS_client_method());
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    place.sin_port = htons(atoi(strchr(words[1], ':') + 1));
    if (is("renegotiate") || is("resume")) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (!plan || count > 16) fail("plan");
    for (int n = 0; n < count; n++)
        if (pthread_create(&threads[n], NULL, work, NULL)) fail("thread");
    for (int n = 0; n < count; n++) pthread_join(threads[n], NULL);
    if (is("resume") && !keeps && !reused) fail("no session went on");
    return 0;
}

int main(int count, char **words) {
    way = getenv("EAVES_WAY");
    if (count != 6 || !way) return 2;
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(words[1], "server") != 0) return client(words + 1);
    server(words + 1);
}

/* What SSL_write and SSL_read cost a thread that has both ends of a session, over a pair of Unix sockets:
 *
 *   pair CERTIFICATE KEY MILLISECONDS SIZE...
 *
 * Waits for a line, then prints for each size the median nanoseconds of a write and of a read: the body of a
 * response of HTTP, in batches. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 16384, BATCHES = 100000 };

static void must(int held, const char *what) {
    if (held) return;
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(3);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1e9 + at.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

static void take(SSL *ssl, int bytes) {
    static char into[BATCH];
    for (int got = 0; got < bytes;) {
        int one = SSL_read(ssl, into, bytes - got);
        must(one > 0, "read");
        got += one;
    }
}

static void give(SSL *ssl, const char *bytes, int len) { must(SSL_write(ssl, bytes, len) == len, "write"); }

int main(int count, char **words) {
    static const char request[] = "GET /pair HTTP/1.1\r\nHost: here\r\n\r\n";
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
    static double writes[BATCHES], reads[BATCHES];
    static char bytes[BATCH];
    char line[16];
    int ends[2];
    if (count < 5) return 2;
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    must(SSL_CTX_use_certificate_file(context, words[1], SSL_FILETYPE_PEM) == 1, "certificate");
    must(SSL_CTX_use_PrivateKey_file(context, words[2], SSL_FILETYPE_PEM) == 1, "key");
    must(fgets(line, sizeof line, stdin) != NULL, "no line came");
    for (int word = 4; word < count; word++) {
        int size = atoi(words[word]), calls = BATCH / size, batches = 0;
        must(size > 0 && calls > 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no such size");
        SSL *client = SSL_new(context), *server = SSL_new(context);
        SSL_set_fd(client, ends[0]);
        SSL_set_fd(server, ends[1]);
        SSL_set_connect_state(client);
        SSL_set_accept_state(server);
        /* One thread: neither end may wait for the other. */
        SSL *turn[] = {client, server};
        for (int n = 0; n < 2; n++) fcntl(ends[n], F_SETFL, O_NONBLOCK);
        for (int n = 0; !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); n++) {
            must(n < 100, "handshake");
            SSL_do_handshake(turn[n % 2]);
            ERR_clear_error();
        }
        for (int n = 0; n < 2; n++) fcntl(ends[n], F_SETFL, 0);
        give(client, request, sizeof request - 1);
        take(server, sizeof request - 1);
        give(server, answer, sizeof answer - 1);
        take(client, sizeof answer - 1);
        double until = now() + atof(words[3]) * 1e6;
        while (batches == 0 || (batches < BATCHES && now() < until)) {
            double began = now();
            for (int n = 0; n < calls; n++) give(server, bytes, size);
            double sent = now();
            for (int n = 0; n < calls; n++) take(client, size);
            reads[batches] = (now() - sent) / calls;
            writes[batches++] = (sent - began) / calls;
        }
        printf("%d %.0f %.0f\n", size, median(writes, batches), median(reads, batches));
        SSL_free(client);
        SSL_free(server);
    }
    return 0;
}

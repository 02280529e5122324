/* An HTTPS server with OpenSSL linked in: server PORT LOG CERTIFICATE KEY.
 *
 * One thread for all connections. With EAVES_MEMORY the library works on memory: all that is there is
 * first received from every socket, and then given to the sessions, in the other order; with EAVES_COPY
 * all that is sent goes on another socket first. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"

enum { CONNS = 256, BYTES = 512 * 1024 };

struct conn {
    int fd, port, closing;
    SSL *ssl;
    BIO *in, *out;
    size_t have;
    char request[BYTES];
};

static struct conn *conns[CONNS];
static int memory;
static int copy[2] = {-1, -1};
static FILE *logged;

static void wait_for(int fd, short what) {
    struct pollfd one = {fd, what, 0};
    poll(&one, 1, 1000);
}

/* What the session wants to send. */
static void flush(struct conn *c) {
    static char bytes[64 * 1024];
    int len;
    while (memory && (len = BIO_read(c->out, bytes, sizeof bytes)) > 0) {
        for (int at = 0; copy[0] >= 0 && at < len;) {
            static char again[64 * 1024];
            ssize_t sent = send(copy[0], bytes + at, len - at, 0);
            if (sent <= 0 || recv(copy[1], again, sent, MSG_WAITALL) != sent) exit(3);
            at += sent;
        }
        for (int at = 0; at < len;) {
            ssize_t sent = send(c->fd, bytes + at, len - at, MSG_NOSIGNAL);
            if (sent > 0) at += sent;
            else if (errno == EAGAIN) wait_for(c->fd, POLLOUT);
            else return;
        }
    }
}

static void drop(int number) {
    struct conn *c = conns[number];
    flush(c);
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
    conns[number] = NULL;
}

static int put(struct conn *c, const char *bytes, size_t len) {
    while (len > 0) {
        int sent = SSL_write(c->ssl, bytes, len);
        if (sent > 0) {
            bytes += sent;
            len -= sent;
            continue;
        }
        int why = SSL_get_error(c->ssl, sent);
        if (why == SSL_ERROR_WANT_WRITE) wait_for(c->fd, POLLOUT);
        else if (why == SSL_ERROR_WANT_READ) wait_for(c->fd, POLLIN);
        else return 0;
    }
    return 1;
}

static void answer(struct conn *c, char *head) {
    static char response[BYTES];
    struct answered to;
    size_t len = respond(head, response, sizeof response, &to);
    c->closing = !!field(head, "connection: close");
    if (!put(c, response, len)) c->closing = 1;
    flush(c);
    fprintf(logged, "%s\t%s\t%d\t%zu\t%d\n", to.method, to.target, to.status, to.size, c->port);
    fflush(logged);
}

/* Answers what is whole; 0 if the connection is over. */
static int requests(struct conn *c) {
    char *end;
    while (c->request[c->have] = 0, (end = strstr(c->request, "\r\n\r\n"))) {
        size_t head = end + 4 - c->request;
        end[2] = 0;
        char *length = field(c->request, "content-length:");
        size_t body = length ? strtoul(length, NULL, 10) : 0;
        if (c->have < head + body) {
            end[2] = '\r';
            return 1;
        }
        answer(c, c->request);
        c->have -= head + body;
        memmove(c->request, c->request + head + body, c->have);
        if (c->closing) return 0;
    }
    return 1;
}

static int give(struct conn *c) {
    for (;;) {
        int len = SSL_read(c->ssl, c->request + c->have, BYTES - 1 - c->have);
        flush(c);
        if (len <= 0) {
            int why = SSL_get_error(c->ssl, len);
            ERR_clear_error();
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
        }
        c->have += len;
        if (!requests(c)) return 0;
    }
}

static void take(int listener, SSL_CTX *context) {
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int fd = accept(listener, (struct sockaddr *)&peer, &len);
    int number = 0;
    while (number < CONNS && conns[number]) number++;
    if (fd < 0 || number == CONNS) {
        if (fd >= 0) close(fd);
        return;
    }
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->port = ntohs(peer.sin_port);
    c->ssl = SSL_new(context);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (memory) {
        c->in = BIO_new(BIO_s_mem());
        c->out = BIO_new(BIO_s_mem());
        SSL_set_bio(c->ssl, c->in, c->out);
    } else {
        SSL_set_fd(c->ssl, fd);
    }
    SSL_set_accept_state(c->ssl);
    conns[number] = c;
}

int main(int count, char **words) {
    if (count < 5) return 2;
    char copy_byte;
    memory = getenv("EAVES_MEMORY") != NULL;
    if (getenv("EAVES_COPY") && (socketpair(AF_UNIX, SOCK_STREAM, 0, copy) || send(copy[0], "", 1, 0) != 1
                                 || recv(copy[1], &copy_byte, 1, 0) != 1))
        return 2;
    logged = fopen(words[2], "a");
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_file(context, words[3], SSL_FILETYPE_PEM) != 1) return 2;
    if (SSL_CTX_use_PrivateKey_file(context, words[4], SSL_FILETYPE_PEM) != 1) return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 256)) return 1;
    for (;;) {
        static char bytes[64 * 1024];
        struct pollfd ready[CONNS + 1] = {{listener, POLLIN, 0}};
        for (int number = 0; number < CONNS; number++)
            ready[number + 1] = (struct pollfd){conns[number] ? conns[number]->fd : -1, POLLIN, 0};
        poll(ready, CONNS + 1, -1);
        /* Until the others have sent theirs. */
        if (memory) usleep(20 * 1000);
        if (ready[0].revents) take(listener, context);
        poll(ready, CONNS + 1, 0);
        for (int number = 0; number < CONNS; number++) {
            if (!memory || !ready[number + 1].revents) continue;
            ssize_t len = recv(conns[number]->fd, bytes, sizeof bytes, 0);
            if (len > 0) BIO_write(conns[number]->in, bytes, len);
            else if (len == 0 || errno != EAGAIN) conns[number]->closing = 1;
        }
        for (int number = CONNS - 1; number >= 0; number--)
            if (ready[number + 1].revents && (!give(conns[number]) || conns[number]->closing))
                drop(number);
    }
}

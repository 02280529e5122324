/* HTTPS by NSS: nss server PORT LOG CERTIFICATE KEY, nss client HOST:PORT PLAN CONNECTIONS keep|close.
 *
 * A thread a connection. What is read is looked at before (PR_MSG_PEEK), and then taken by PR_Read and PR_Recv in
 * turn; what is written goes by PR_Write and PR_Send in turn. */
#include <nss.h>
#include <nssb64.h>
#include <pk11pub.h>
#include <prinit.h>
#include <prio.h>
#include <prlock.h>
#include <prnetdb.h>
#include <prthread.h>
#include <ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"

enum { BYTES = 512 * 1024 };

static FILE *file;
static PRLock *lock;
static PRFileDesc *model;
static PRNetAddr place;
static int closes, failed;

struct conn {
    PRFileDesc *fd;
    int port, turn;
    size_t have;
    char bytes[BYTES];
};

static void die(const char *what) {
    fprintf(stderr, "%s: %d\n", what, PR_GetError());
    exit(1);
}

/* What stands between the lines of a PEM file. */
static SECItem *pem(const char *name) {
    static char text[16 * 1024];
    FILE *from = fopen(name, "r");
    size_t len = from ? fread(text, 1, sizeof text - 1, from) : 0;
    text[len] = 0;
    char *begin = strchr(text, '\n'), *end = begin ? strstr(begin, "-----END") : NULL;
    if (!end) die(name);
    SECItem *item = NSSBase64_DecodeBuffer(NULL, NULL, begin, end - begin);
    if (!item) die(name);
    fclose(from);
    return item;
}

static int put(struct conn *c, const char *bytes, size_t len) {
    while (len > 0) {
        PRInt32 sent = c->turn++ % 2 ? PR_Write(c->fd, bytes, len)
                                     : PR_Send(c->fd, bytes, len, 0, PR_INTERVAL_NO_TIMEOUT);
        if (sent <= 0) return 0;
        bytes += sent;
        len -= sent;
    }
    return 1;
}

static int more(struct conn *c) {
    char *to = c->bytes + c->have, seen[7];
    size_t room = BYTES - 1 - c->have;
    PRInt32 peeked = PR_Recv(c->fd, seen, sizeof seen, PR_MSG_PEEK, PR_INTERVAL_NO_TIMEOUT);
    if (peeked <= 0) return 0;
    PRInt32 got = c->turn++ % 2 ? PR_Read(c->fd, to, room)
                                : PR_Recv(c->fd, to, room, 0, PR_INTERVAL_NO_TIMEOUT);
    if (got <= 0) return 0;
    if (memcmp(seen, to, got < peeked ? got : peeked)) die("it was other bytes");
    c->have += got;
    to[got] = 0;
    return 1;
}

/* The next message: where its head ends, which is there as text, and the bytes of its body. */
static char *message(struct conn *c, size_t *body, int bodiless) {
    char *end;
    while (c->bytes[c->have] = 0, !(end = strstr(c->bytes, "\r\n\r\n")))
        if (!more(c)) return NULL;
    end[2] = 0;
    char *length = field(c->bytes, "content-length:");
    *body = length && !bodiless ? strtoul(length, NULL, 10) : 0;
    while (c->have < end + 4 - c->bytes + *body)
        if (!more(c)) return NULL;
    return end + 4;
}

static void drop(struct conn *c, char *end) {
    c->have -= end - c->bytes;
    memmove(c->bytes, end, c->have);
}

static int answer(struct conn *c, char *head) {
    char *response = malloc(BYTES);
    struct answered to;
    size_t len = respond(head, response, BYTES, &to);
    int whole = put(c, response, len);
    free(response);
    PR_Lock(lock);
    fprintf(file, "%s\t%s\t%d\t%zu\t%d\n", to.method, to.target, to.status, to.size, c->port);
    fflush(file);
    PR_Unlock(lock);
    return whole && !field(head, "connection: close");
}

static void serve(void *arg) {
    struct conn *c = arg;
    size_t body;
    char *end;
    while ((end = message(c, &body, 0))) {
        int goes_on = answer(c, c->bytes);
        drop(c, end + body);
        if (!goes_on) break;
    }
    PR_Close(c->fd);
    free(c);
}

static void server(char **words) {
    file = fopen(words[3], "a");
    SECItem *der = pem(words[4]), *pkcs8 = pem(words[5]);
    CERTCertificate *own = CERT_NewTempCertificate(CERT_GetDefaultCertDB(), der, NULL, PR_FALSE, PR_TRUE);
    SECKEYPrivateKey *key = NULL;
    if (!own || PK11_ImportDERPrivateKeyInfoAndReturnKey(PK11_GetInternalKeySlot(), pkcs8, NULL, NULL,
                    PR_FALSE, PR_FALSE, KU_ALL, &key, NULL) != SECSuccess)
        die("certificate and key");
    if (SSL_ConfigServerSessionIDCache(0, 0, 0, NULL) != SECSuccess) die("cache");
    model = SSL_ImportFD(NULL, PR_NewTCPSocket());
    if (!model || SSL_ConfigServerCert(model, own, key, NULL, 0) != SECSuccess) die("server");
    PRFileDesc *listener = PR_NewTCPSocket();
    PRSocketOptionData reuse = {.option = PR_SockOpt_Reuseaddr, .value.reuse_addr = PR_TRUE};
    PR_SetSocketOption(listener, &reuse);
    PR_InitializeNetAddr(PR_IpAddrLoopback, atoi(words[2]), &place);
    if (PR_Bind(listener, &place) || PR_Listen(listener, 256)) die("listen");
    for (;;) {
        PRNetAddr peer;
        PRFileDesc *fd = PR_Accept(listener, &peer, PR_INTERVAL_NO_TIMEOUT);
        if (!fd) continue;
        struct conn *c = calloc(1, sizeof *c);
        c->port = PR_ntohs(peer.inet.port);
        c->fd = SSL_ImportFD(model, fd);
        if (!c->fd || SSL_ResetHandshake(c->fd, PR_TRUE) != SECSuccess) die("import");
        PR_CreateThread(PR_USER_THREAD, serve, c, PR_PRIORITY_NORMAL, PR_GLOBAL_THREAD,
                        PR_UNJOINABLE_THREAD, 0);
    }
}

static SECStatus any(void *arg, PRFileDesc *fd, PRBool check, PRBool server) {
    (void)arg, (void)fd, (void)check, (void)server;
    return SECSuccess;
}

static void begin(struct conn *c) {
    PRFileDesc *fd = PR_NewTCPSocket();
    c->have = 0;
    c->fd = SSL_ImportFD(NULL, fd);
    SSL_SetURL(c->fd, "localhost");
    SSL_AuthCertificateHook(c->fd, any, NULL);
    if (PR_Connect(c->fd, &place, PR_INTERVAL_NO_TIMEOUT) || SSL_ResetHandshake(c->fd, PR_FALSE)) die("connect");
}

static int ask(struct conn *c, char *line) {
    static const char *rest = "HTTP/1.1\r\nHost: localhost\r\n";
    char method[16], target[256];
    int size, chunked, conditional, status = 0;
    if (sscanf(line, "%15s %255s %d %d %d", method, target, &size, &chunked, &conditional) != 5 || chunked) return 0;
    char *request = malloc(size + 1024);
    int len = snprintf(request, 600, "%s %s %s", method, target, rest);
    if (conditional) len += snprintf(request + len, 64, "If-None-Match: *\r\n");
    if (closes) len += snprintf(request + len, 64, "Connection: close\r\n");
    if (size) len += snprintf(request + len, 64, "Content-Length: %d\r\n", size);
    len += snprintf(request + len, 8, "\r\n");
    int sent = put(c, request, len) && put(c, request + len, fill(request + len, size));
    free(request);
    size_t body;
    char *end = sent ? message(c, &body, strcmp(method, "HEAD") == 0) : NULL;
    if (!end || sscanf(c->bytes, "HTTP/1.1 %d", &status) != 1) return 0;
    drop(c, end + body);
    return 1;
}

static void work(void *arg) {
    struct conn *c = calloc(1, sizeof *c);
    char line[512];
    (void)arg;
    for (;;) {
        PR_Lock(lock);
        char *next = fgets(line, sizeof line, file);
        PR_Unlock(lock);
        if (!next) break;
        if (!c->fd) begin(c);
        if (!ask(c, line)) {
            fprintf(stderr, "no answer: %s", line);
            failed = 1;
            break;
        }
        if (closes) PR_Close(c->fd), c->fd = NULL;
    }
    if (c->fd) PR_Close(c->fd);
    free(c);
}

static int client(char **words) {
    PRThread *threads[64];
    int count = atoi(words[4]);
    closes = strcmp(words[5], "close") == 0;
    file = fopen(words[3], "r");
    PR_InitializeNetAddr(PR_IpAddrLoopback, atoi(strchr(words[2], ':') + 1), &place);
    if (!file || count > 64) return 2;
    for (int at = 0; at < count; at++)
        threads[at] = PR_CreateThread(PR_USER_THREAD, work, NULL, PR_PRIORITY_NORMAL, PR_GLOBAL_THREAD,
                                      PR_JOINABLE_THREAD, 0);
    for (int at = 0; at < count; at++) PR_JoinThread(threads[at]);
    return failed;
}

int main(int count, char **words) {
    if (count < 6) return 2;
    lock = PR_NewLock();
    if (NSS_NoDB_Init(NULL) != SECSuccess || NSS_SetDomesticPolicy() != SECSuccess) die("NSS");
    if (strcmp(words[1], "client") == 0) return client(words);
    server(words);
    return 0;
}

/* What servers in C answer, and clients send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What was asked, and how it was answered. */
struct answered {
    char method[16], target[256];
    int status;
    size_t size;
};

static char *field(char *head, const char *name) {
    size_t len = strlen(name);
    for (char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0) return line + 2 + len;
    return NULL;
}

static size_t fill(char *to, size_t size) {
    char line[64];
    for (size_t at = 0; at < size; at += 28) {
        snprintf(line, sizeof line, "%8zu bytes, at %8zu\n", size, at);
        memcpy(to + at, line, size - at < 28 ? size - at : 28);
    }
    return size;
}

/* Writes the response to the request with this head; its bytes. What does not fit into `room` is left out. */
static size_t respond(char *head, char *response, size_t room, struct answered *to) {
    char id[128] = "", path[16] = "";
    const char *content = "taken\n";
    int number = 0;
    *to = (struct answered){.status = 200};
    sscanf(head, "%15s %255s", to->method, to->target);
    sscanf(to->target, "/%15[^/?]/%d", path, &number);
    char *found = strstr(to->target, "id=");
    if (found) sscanf(found + 3, "%127[^&]", id);
    if (field(head, "if-none-match:")) to->status = 304;
    else if (strcmp(path, "size") == 0) content = NULL;
    else if (strcmp(path, "status") == 0) to->status = number, content = "by order\n";
    else if (strcmp(path, "take") != 0) to->status = 404, content = "nothing here\n";
    size_t size = content ? strlen(content) : (size_t)number;
    int bodiless = to->status == 204 || to->status == 304;
    if (bodiless || size > room - 1024) size = 0;
    int len = snprintf(response, 512, "HTTP/1.1 %d X\r\nx-id: %s\r\n", to->status, id);
    if (!bodiless) len += snprintf(response + len, 64, "Content-Length: %zu\r\n", size);
    len += snprintf(response + len, 8, "\r\n");
    if (strcmp(to->method, "HEAD") == 0) size = 0;
    if (content) memcpy(response + len, content, size);
    else fill(response + len, size);
    to->size = size;
    return len + size;
}

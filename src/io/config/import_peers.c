/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import_peers.h"

#include <arpa/inet.h>
#include <string.h>

static bool read_address(const char *text, unsigned char raw[sizeof(struct in6_addr)])
{
    memset(raw, 0, sizeof(struct in6_addr));
    return inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, raw) == 1;
}

bool import_is_address(const char *text)
{
    unsigned char raw[sizeof(struct in6_addr)];
    return read_address(text, raw);
}

/* However they are written. */
static bool is_same(const char *a, const char *b)
{
    unsigned char x[sizeof(struct in6_addr)], y[sizeof x];
    return (strchr(a, ':') != NULL) == (strchr(b, ':') != NULL) && read_address(a, x) &&
           read_address(b, y) && memcmp(x, y, sizeof x) == 0;
}

/* min_ttl and max_ttl. */
static void tell_other(struct keepalived_statement *s)
{
    char words[64] = "";
    for (unsigned i = 1; i < s->n_words; i++) {
        size_t used = strlen(words);
        (void)snprintf(words + used, sizeof words - used, "%s%s", i > 1 ? " " : "", s->words[i]);
    }
    if (s->n_words == 1)
        keepalived_tell(s, KEEPALIVED_CARRIED, "the other node's address");
    else
        keepalived_tell(s, KEEPALIVED_CARRIED,
                        "the other node's address; '%s' is left out: the TTL of what a peer sends "
                        "is not looked at, it may be behind a router",
                        words);
}

void import_tell_peers(const struct import_side *side, const char *other)
{
    const struct keepalived_statement *found = NULL;
    for (struct keepalived_statement *s = side->values[IMPORT_UNICAST]->child; s != NULL;
         s = s->next) {
        if (s->conditional) {
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "a conditional line; give the file as it is for this node");
        } else if (other[0] == '\0') {
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "a pair has one other node; its own file tells which peer it is");
        } else if (!is_same(s->words[0], other)) {
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "the other node has the address %s (its file, or --name): a pair has "
                            "no other peer, and this one is told nothing any more",
                            other);
        } else if (found != NULL) {
            keepalived_tell(s, KEEPALIVED_CARRIED, "as in line %u", found->line);
        } else {
            tell_other(s);
            found = s;
        }
    }
}

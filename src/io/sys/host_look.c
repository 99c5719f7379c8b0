/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/host_look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOOK_MB (1024u * 1024u)

static const void *look_address(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    if (sa->sa_family == AF_INET6)
        return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    return NULL;
}

bool host_look_same_net(int family, const void *a, const void *b, unsigned prefix)
{
    const unsigned char *x = a;
    const unsigned char *y = b;
    unsigned bits = family == AF_INET ? 32 : 128;
    unsigned whole = (prefix < bits ? prefix : bits) / 8;
    unsigned rest = (prefix < bits ? prefix : bits) % 8;
    if (memcmp(x, y, whole) != 0)
        return false;
    return rest == 0 || (x[whole] ^ y[whole]) >> (8 - rest) == 0;
}

static unsigned look_prefix(const struct sockaddr *mask)
{
    const unsigned char *m = mask != NULL ? look_address(mask) : NULL;
    unsigned n = 0;
    while (m != NULL && n < 32 && (m[n / 8] & (0x80u >> n % 8)) != 0)
        n++;
    return n;
}

static void look_room(const char *path, uint32_t *ret_size_mb, uint32_t *ret_free_mb)
{
    struct statvfs v;
    uint64_t size, room;
    if (path[0] == '\0' || statvfs(path, &v) != 0)
        return;
    size = (uint64_t)v.f_blocks * v.f_frsize / LOOK_MB;
    room = (uint64_t)v.f_bavail * v.f_frsize / LOOK_MB;
    *ret_size_mb = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    *ret_free_mb = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

static bool look_promotes(const char *device)
{
    char path[128];
    char value = '0';
    int fd;
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/promote_secondaries", device);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* nothing is known */
    if (read(fd, &value, 1) != 1)
        value = '1';
    (void)close(fd);
    return value != '0';
}

/* The address would become the second one of a subnet that the device has already. */
static bool look_is_secondary(const struct config_vip *v, const struct ifaddrs *i)
{
    struct in_addr vip;
    char text[INET_ADDRSTRLEN];
    const void *own = i->ifa_addr != NULL ? look_address(i->ifa_addr) : NULL;
    if (v->family != AF_INET || v->prefix == 32 || own == NULL ||
        i->ifa_addr->sa_family != AF_INET || strcmp(i->ifa_name, v->device) != 0 ||
        inet_pton(AF_INET, v->address, &vip) != 1 ||
        inet_ntop(AF_INET, own, text, sizeof text) == NULL)
        return false;
    return strcmp(text, v->address) != 0 && look_prefix(i->ifa_netmask) == v->prefix &&
           host_look_same_net(AF_INET, own, &vip, v->prefix);
}

static bool look_is_own(const struct config_node *n, const struct ifaddrs *i)
{
    char text[INET6_ADDRSTRLEN];
    const void *own = i->ifa_addr != NULL ? look_address(i->ifa_addr) : NULL;
    return own != NULL && i->ifa_addr->sa_family == n->family &&
           inet_ntop(n->family, own, text, sizeof text) != NULL && strcmp(text, n->address) == 0;
}

static void look_net(const struct cluster_config *c, unsigned node, struct host_facts *f)
{
    struct ifaddrs *list = NULL;
    uint32_t up = 0;
    bool address = false, secondary = false;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        address = address || look_is_own(&c->nodes[node], i);
        for (unsigned k = 0; k < c->n_vips; k++) {
            const struct config_vip *v = &c->vips[k];
            if (strcmp(i->ifa_name, v->device) == 0 && (i->ifa_flags & IFF_UP) != 0)
                up |= 1u << k;
            secondary = secondary || (!c->vrrp.virtual_mac && look_is_secondary(v, i) &&
                                      !look_promotes(v->device) && !look_promotes("all"));
        }
    }
    freeifaddrs(list);
    for (unsigned k = 0; k < c->n_vips; k++)
        f->devices |= (up & (1u << k)) == 0 ? 1u << k : 0;
    f->judged |= HOST_ADDRESS | HOST_DEVICE | HOST_SECONDARIES;
    f->wrong |= address ? 0u : (uint32_t)HOST_ADDRESS;
    f->wrong |= f->devices == 0 ? 0u : (uint32_t)HOST_DEVICE;
    f->wrong |= secondary ? (uint32_t)HOST_SECONDARIES : 0u;
}

void host_look(const struct cluster_config *c, unsigned node, struct host_facts *f)
{
    const struct config_node *n = &c->nodes[node];
    memset(f, 0, sizeof *f);
    f->known = true;
    look_net(c, node, f);
    if (config_node_has_mysql(c, node))
        look_room(n->mysql.data_dir, &f->data_size_mb, &f->data_free_mb);
    look_room(n->state_dir, &f->state_size_mb, &f->state_free_mb);
}

static bool look_is_busy(const struct config_node *n, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    const int one = 1;
    bool busy;
    int fd = socket(n->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    memset(&a, 0, sizeof a);
    a.any.sa_family = (sa_family_t)n->family;
    if (n->family == AF_INET)
        (void)inet_pton(AF_INET, n->address, &a.v4.sin_addr);
    else
        (void)inet_pton(AF_INET6, n->address, &a.v6.sin6_addr);
    if (n->family == AF_INET)
        a.v4.sin_port = htons(port);
    else
        a.v6.sin6_port = htons(port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    busy = bind(fd, &a.any, n->family == AF_INET ? sizeof a.v4 : sizeof a.v6) != 0 &&
           errno == EADDRINUSE;
    (void)close(fd);
    return busy;
}

uint16_t host_look_busy_port(const struct config_node *n, const uint16_t *ports, unsigned n_ports)
{
    for (unsigned i = 0; i < n_ports; i++) {
        if (ports[i] != 0 && look_is_busy(n, ports[i]))
            return ports[i];
    }
    return 0;
}

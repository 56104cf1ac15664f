/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "log.h"

#include <syslog.h>

/* Made with `systemd-id128 new`; an id is never used for anything else. Those that wait for a
 * person are more urgent for the journal than GLib's levels can say: its critical is a mistake in a
 * program, and fatal where one wants to see those. */
static const struct {
    const char *id;
    int priority;
} events[] = {
    [VF_EVENT_JOB_STARTED] = {"e3e57054a3c445f295fd9217f6bed6b3", LOG_NOTICE},
    [VF_EVENT_JOB_COMPLETED] = {"859395b3e534432285648749ebfad5af", LOG_NOTICE},
    [VF_EVENT_JOB_CANCELLED] = {"c098574fc2f24a419600e1826ec6e00a", LOG_NOTICE},
    [VF_EVENT_JOB_FAILED] = {"9046bf4f07574a429dde34e00c9766f4", LOG_WARNING},
    [VF_EVENT_JOB_IN_DOUBT] = {"4ece4fc7e3a84171bd6e14f2e578f6e3", LOG_CRIT},
    [VF_EVENT_JOB_RESOLVED] = {"89acbb706e0b44198b975420d1ac8638", LOG_NOTICE},
    [VF_EVENT_JOB_RECOVERED] = {"23413d7b6d334a88a625e1e466155d88", LOG_NOTICE},
    [VF_EVENT_DEVICE_NEEDS_RESET] = {"9620982b3d0b4c7f9f67760661fbb280", LOG_ERR},
    [VF_EVENT_LEASE_STUCK] = {"dde0d601f834490dacbdad5f0d27bd9b", LOG_WARNING},
    [VF_EVENT_RECORD_DAMAGED] = {"6fffe0e27f074cf7b48e5c54a2e9f8f2", LOG_CRIT},
    [VF_EVENT_MOVER_CRASHED] = {"45e78ec0c88c4a39ae48f5ac471a3ddb", LOG_ERR},
    [VF_EVENT_MOVER_BROKE_PROTOCOL] = {"fdf3d06f4a7c441eb9cf76f0fc3bb324", LOG_ERR},
    [VF_EVENT_AUTHORITY_UNAVAILABLE] = {"a3d4f8e7949d4b32945599eb38567811", LOG_ERR},
    [VF_EVENT_OVERRIDDEN] = {"ce616f37aae74598a9eea07046ad7d8b", LOG_WARNING},
};
G_STATIC_ASSERT(G_N_ELEMENTS(events) == VF_N_EVENTS);

static void
add(GArray *fields, const char *key, const char *value)
{
    GLogField field = {.key = key, .value = value, .length = -1};

    if (value && *value)
        g_array_append_val(fields, field);
}

static void
add_about(GArray *fields, const VfLogAbout *about)
{
    add(fields, VF_LOG_DEVICE, about->device);
    for (const char *const *id = about->devices; id && *id; id++)
        add(fields, VF_LOG_DEVICE, *id);
    add(fields, VF_LOG_PARENT, about->parent);
    add(fields, VF_LOG_LEASE, about->lease);
    add(fields, VF_LOG_JOB, about->job);
    add(fields, VF_LOG_PEER, about->peer);
    add(fields, VF_LOG_PHASE, about->phase);
    add(fields, VF_LOG_SENDER, about->sender);
    add(fields, VF_LOG_ACTION, about->action);
}

/* What GLib's own macros would say. */
static int
priority_of(GLogLevelFlags level)
{
    if (level & G_LOG_LEVEL_ERROR)
        return LOG_ERR;
    if (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
        return LOG_WARNING;
    if (level & G_LOG_LEVEL_MESSAGE)
        return LOG_NOTICE;
    return level & G_LOG_LEVEL_INFO ? LOG_INFO : LOG_DEBUG;
}

static void
write_message(GLogLevelFlags level, int priority, const char *message_id, const VfLogAbout *about,
              const VfLogPlace *place, const char *text)
{
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(GLogField));
    char number[4];

    g_snprintf(number, sizeof number, "%d", priority);
    add(fields, "PRIORITY", number);
    add(fields, "MESSAGE", text);
    add(fields, "MESSAGE_ID", message_id);
    add(fields, "GLIB_DOMAIN", G_LOG_DOMAIN);
    add(fields, "CODE_FILE", place->file);
    add(fields, "CODE_FUNC", place->function);
    add_about(fields, about);
    g_log_structured_array(level, (GLogField *)fields->data, fields->len);
}

void
vf_log_write(GLogLevelFlags level, const VfLogAbout *about, const VfLogPlace *place,
             const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    write_message(level, priority_of(level), NULL, about, place, text);
}

void
vf_log_write_event(VfEvent event, const VfLogAbout *about, const VfLogPlace *place,
                   const char *format, ...)
{
    int priority = events[event].priority;
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    write_message(priority < LOG_NOTICE ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, priority,
                  events[event].id, about, place, text);
}

"""A Django project that receives webhooks: gunicorn webhook_django."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])  # the one in RENDERWATCH_WEBHOOK_SECRETS


@csrf_exempt  # the signature says who sends
@require_POST
def renders(request: HttpRequest) -> HttpResponse:
    try:
        event = webhook.verify(request.body, dict(request.headers))
    except (WebhookVerificationError, ValueError):  # ValueError: headers or a body that cannot be read
        return HttpResponse(status=401)
    if event.get("example"):  # renderwatch trigger sent it
        print(f"an example of {event['type']} has arrived")
        return HttpResponse(status=204)
    with transaction.atomic(), connection.cursor() as cursor:  # the event's id, and what you do about the event
        values = [event["id"], event["project_id"], event["credits_after"]]
        cursor.execute("INSERT INTO received VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", values)
        if cursor.rowcount:
            print(event["type"], event["project_id"])
    return HttpResponse(status=204)


# A project of yours has these already, and makes the table in a migration.
urlpatterns = [path("renders", renders)]
database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "orders.db"}
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], DATABASES={"default": database})
application = get_wsgi_application()
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS received (event_id TEXT PRIMARY KEY, project_id TEXT, credits INTEGER)")

"""Downloads a URL through the HTTP session of pip's own "download": with its credentials,
certificates, proxies and retries.

Takes a JSON object {url, seconds, bytes} on standard input; the last two are limits. Prints a JSON
object with the body in base64, or the status of the response, or an error.
"""

import base64
import json
import os
import sys
import threading

job = json.load(sys.stdin)


def end(answer):
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


timeout = {'error': 'it did not arrive within %d s' % job['seconds']}
timer = threading.Timer(job['seconds'], end, [timeout])
timer.daemon = True
timer.start()
try:
    from pip._internal.commands import create_command

    command = create_command('download')
    options, _ = command.parse_args([])
    session = command._build_session(options)
    session.auth.prompting = False
    response = session.get(job['url'], headers={'Cache-Control': 'no-cache'}, stream=True)
    if response.status_code != 200:
        end({'status': response.status_code})
    body = b''
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > job['bytes']:
            end({'error': 'it is larger than %d MB' % (job['bytes'] >> 20)})
    end({'body': base64.b64encode(body).decode('ascii')})
except BaseException as error:
    end({'error': str(error) or type(error).__name__})
